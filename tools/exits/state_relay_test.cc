#include "tools/exits/state_relay.h"
#include "costs/layer_split.h"

#include <gtest/gtest.h>

#include <numeric>
#include <thread>

#include "model/testing/open_random_model.h"
#include "transport/loopback_channel.h"

namespace exeunt::tools {
namespace {

constexpr int kLayers = 6;
constexpr int kMaxTokens = 64;

class StateRelayTest : public testing::Test {
 protected:
  StateRelayTest() {
    source_ = OpenRandomModel({.n_layers = kLayers, .vocab_size = 300});
    for (int length : {40, 1, 17, 63, 5, 30, 8}) {
      answers_.emplace_back(length);
      std::iota(answers_.back().begin(), answers_.back().end(), length);
    }
  }

  std::unique_ptr<StateReader> Reader(LayerSpan layers) const {
    return StateReader::Create(source_, layers, layers.begin == 0, 1, kMaxTokens).value();
  }

  // The states of the last half of every answer.
  std::vector<StateRelay::States> Run(int ranks, const std::vector<int>& depths) const {
    transport::LoopbackHub hub(ranks);
    const auto split = EvenSplit(kLayers, ranks);
    std::vector<std::thread> others;
    for (int rank = 1; rank < ranks; ++rank) {
      others.emplace_back([&, rank] {
        const auto reader = Reader(split[static_cast<size_t>(rank)]);
        const Status served = StateRelay(reader.get(), hub.channel(rank), rank, ranks).Serve();
        EXPECT_TRUE(served.has_value());
      });
    }
    const auto reader = Reader(split[0]);
    StateRelay relay(reader.get(), hub.channel(0), 0, ranks);
    std::vector<StateRelay::States> all;
    const Status ran = relay.Run(
        answers_.size(),
        [&](size_t i) {
          return StateRelay::Request{answers_[i], static_cast<int>(answers_[i].size() / 2)};
        },
        depths,
        [&](size_t i, const StateRelay::States& states) {
          EXPECT_EQ(i, all.size());
          all.push_back(states);
        });
    EXPECT_TRUE(ran.has_value());
    relay.End();
    for (std::thread& other : others) other.join();
    return all;
  }

  std::shared_ptr<const ModelSource> source_;
  std::vector<std::vector<int32_t>> answers_;
};

TEST_F(StateRelayTest, StatesAreThoseOfOneProcess) {
  for (const std::vector<int>& depths :
       {std::vector<int>{0, 1, 2, 3, 4, 5, 6}, std::vector<int>{2}, std::vector<int>{3, 6}}) {
    const auto alone = Run(1, depths);
    ASSERT_EQ(alone.size(), answers_.size());
    EXPECT_EQ(alone[0].size(), depths.size());
    EXPECT_EQ(alone[0].at(depths[0]).size(), 20 * static_cast<size_t>(source_->config().d_model));
    EXPECT_NE(alone[0].at(depths[0]), alone[3].at(depths[0]));
    for (const int ranks : {2, 3, 6}) EXPECT_EQ(Run(ranks, depths), alone) << ranks << " ranks";
  }
}

// What a rank sends is checked before it is used.
TEST_F(StateRelayTest, RefusesWhatNobodyAskedFor) {
  transport::LoopbackHub hub(2);
  const auto reader = Reader({0, 3});
  StateRelay relay(reader.get(), hub.channel(0), 0, 2);
  transport::DataMessage unasked{.header = std::vector<std::byte>(24)};
  hub.channel(1)->SendFirst(&unasked);
  const std::vector<int> depths = {6};
  const Status ran = relay.Run(
      1,
      [&](size_t i) {
        return StateRelay::Request{answers_[i], 0};
      },
      depths, [](size_t, const StateRelay::States&) {});
  ASSERT_FALSE(ran.has_value());
  EXPECT_NE(ran.error().message.find("after layer 0: nobody asked"), std::string::npos)
      << ran.error().message;

  const auto second = Reader({3, 6});
  transport::DataMessage cut_short{.header = std::vector<std::byte>(3)};
  hub.channel(0)->SendNext(&cut_short);
  EXPECT_FALSE(StateRelay(second.get(), hub.channel(1), 1, 2).Serve().has_value());
}

}  // namespace
}  // namespace exeunt::tools
