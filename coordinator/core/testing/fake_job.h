// What core_storm_test.cc takes for an mpirun job: its ranks say what workers would, when dice have it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/testing/dice.h"
#include "transport/control.pb.h"

namespace exeunt {

constexpr uint32_t kStages = 3;
constexpr uint64_t kPages = 12;
constexpr uint32_t kPageTokens = 4;

inline int32_t TokenOf(int32_t request, uint32_t index) { return request * 64 + static_cast<int32_t>(index); }

// Counts itself.
class LivePage {
 public:
  explicit LivePage(std::shared_ptr<uint64_t> count) : count_(std::move(count)) { ++*count_; }
  ~LivePage() { --*count_; }
  LivePage(const LivePage&) = delete;
  LivePage& operator=(const LivePage&) = delete;

 private:
  std::shared_ptr<uint64_t> count_;
};

// One job of one epoch: what its ranks have yet to say, in order for each rank, in any order between ranks.
struct FakeJob {
  explicit FakeJob(Dice* storm) : dice(storm) {}

  // The next rank is there, and ready.
  void Connect() {
    proto::ToCoordinator ready;
    ready.mutable_ready()->set_kv_pages(kPages + dice->Below(3));
    capacity = std::min(capacity, ready.ready().kv_pages());
    ready.mutable_ready()->set_page_tokens(kPageTokens);
    out[connected++].push_back(ready);
  }

  // A few tokens of each sequence, some of them said twice or of another generation; some come to their end.
  void Generate() {
    std::vector<uint64_t> done;
    for (const auto& [number, asked] : open) {
      if (!IsCanary(asked) && dice->OneIn(60)) Fail(number);
      if (failed.contains(number)) continue;  // until it is cancelled
      for (uint32_t n = dice->Below(4); n > 0; --n) {
        const uint32_t index = generated[number];
        const bool stop = index > 0 && dice->OneIn(20);
        if (index == asked.max_tokens() || stop) {
          Finish(asked, index, stop ? proto::FINISH_STOP : proto::FINISH_LENGTH);
          done.push_back(number);
          break;
        }
        Say(number, 0, asked, index);
        if (dice->OneIn(10)) Say(number, 0, asked, dice->Below(index + 1));  // doubled
        if (dice->OneIn(10)) Say(number, 1, asked, index);                   // of another generation
        ++generated[number];
      }
    }
    for (const uint64_t number : done) open.erase(number);
  }
  void Say(uint64_t number, uint32_t generation, const proto::OpenSequence& asked, uint32_t index) {
    proto::ToCoordinator message;
    proto::TokenEvent& event = *message.mutable_tokens()->add_events();
    event.set_sequence(number);
    event.set_generation(generation);
    event.set_position(static_cast<uint32_t>(asked.prompt_size()) + index);
    event.set_token(generation == 0 ? TokenOf(asked.prompt(asked.prompt_size() - 1), index) : -1);
    out[dice->Below(kStages)].push_back(message);
  }
  // Some fail when stage 0 is through with them.
  void Finish(const proto::OpenSequence& asked, uint32_t tokens, proto::FinishReason reason) {
    const uint64_t number = asked.sequence();
    if (!IsCanary(asked) && dice->OneIn(20)) Fail(number);
    for (uint32_t at = asked.score_from(); at > 0 && at < static_cast<uint32_t>(asked.prompt_size()); ++at) {
      if (failed.contains(number)) break;
      if (reason == proto::FINISH_CANCELLED && dice->OneIn(2)) break;
      proto::ToCoordinator message;
      proto::PromptScore& score = *message.mutable_scores()->add_scores();
      score.set_sequence(number);
      score.set_position(at);
      out.back().push_back(message);
    }
    proto::ToCoordinator finished;
    finished.mutable_finished()->set_sequence(number);
    finished.mutable_finished()->set_tokens(tokens);
    finished.mutable_finished()->set_reason(reason);
    const bool retained = asked.retain_tokens() > 0 && (reason != proto::FINISH_CANCELLED || dice->OneIn(2));
    finished.mutable_finished()->set_retained(retained);
    out[0].push_back(finished);
    pages.at(number).resize(retained ? asked.retain_tokens() / kPageTokens : 0);
    if (!retained) held.erase(number);
    proto::ToCoordinator closed;
    closed.mutable_closed()->add_sequence(number);
    for (auto& queue : out) queue.push_back(closed);
  }

  static bool IsCanary(const proto::OpenSequence& asked) {
    return asked.prompt(asked.prompt_size() - 1) == 0;
  }

  // One stage or several say that the sequence has failed, and those that share with it.
  void Fail(uint64_t number) {
    if (!failed.insert(number).second) return;
    proto::ToCoordinator message;
    message.mutable_failed()->set_sequence(number);
    message.mutable_failed()->set_reason("out of memory for its states");
    const uint32_t first = dice->Below(kStages);
    for (uint32_t rank = 0; rank < kStages; ++rank) {
      if (rank == first || dice->OneIn(4)) out[rank].push_back(message);
    }
    for (const auto& [other, asked] : open) {
      if (asked.prefix_of() == number) Fail(other);
    }
  }

  void Refuse(const proto::OpenSequence& asked) {
    refused.insert(asked.sequence());
    proto::ToCoordinator message;
    message.mutable_refused()->set_sequence(asked.sequence());
    message.mutable_refused()->set_reason("of no use");
    out[0].push_back(message);
  }

  // As stage 0 does, before any other stage.
  void TakePages(const proto::OpenSequence& asked) {
    auto& own = pages[asked.sequence()];
    if (asked.prefix_of() != 0 && !refused.contains(asked.prefix_of())) {
      ASSERT_TRUE(held.contains(asked.prefix_of())) << "it holds nothing any more";
      ASSERT_FALSE(said_failed.contains(asked.prefix_of())) << "it has failed";
      const proto::OpenSequence& source = held.at(asked.prefix_of());
      const auto n = static_cast<int>(asked.prefix_tokens());
      ASSERT_LT(n, source.prompt_size());
      ASSERT_TRUE(std::equal(source.prompt().begin(), source.prompt().begin() + n, asked.prompt().begin()));
      const auto& from = pages.at(asked.prefix_of());
      own.assign(from.begin(), from.begin() + n / static_cast<int>(kPageTokens));
    }
    const uint64_t positions = static_cast<uint64_t>(asked.prompt_size()) + asked.max_tokens();
    const uint64_t all = (positions + kPageTokens - 1) / kPageTokens;
    while (own.size() < all) own.push_back(std::make_shared<LivePage>(live_pages));
    ASSERT_LE(*live_pages, capacity) << "more pages than there are";
    held[asked.sequence()] = asked;
    if (failed.contains(asked.prefix_of())) Fail(asked.sequence());
  }

  Dice* dice;
  uint32_t pipeline = 0;
  uint64_t epoch = 0;
  bool alive = true;
  uint32_t connected = 0;
  std::vector<std::deque<proto::ToCoordinator>> out = std::vector<std::deque<proto::ToCoordinator>>(kStages);
  std::map<uint64_t, proto::OpenSequence> open;
  std::map<uint64_t, uint32_t> generated;
  std::map<uint64_t, proto::OpenSequence> held;  // of which there are pages: open, or left behind
  std::map<uint64_t, std::vector<std::shared_ptr<LivePage>>> pages;
  std::shared_ptr<uint64_t> live_pages = std::make_shared<uint64_t>(0);
  uint64_t capacity = UINT64_MAX;
  std::set<uint64_t> refused;
  std::set<uint64_t> failed;
  std::set<uint64_t> failed_now;   // of them, said in this step
  std::set<uint64_t> said_failed;  // said in a step before
  uint64_t opened = 0;             // told to open, less the refusals that have been said
  uint64_t rung = 0;               // the newest doorbell
  uint64_t progress = 0;
};

}  // namespace exeunt
