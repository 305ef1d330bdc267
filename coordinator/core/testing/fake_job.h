// Plays an mpirun job for core_storm_test.cc. Dice decide when its ranks say what workers would say.
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
#include "coordinator/core/worker_messages.h"

namespace exeunt::coordinator {

constexpr uint32_t kStages = 3;
constexpr uint64_t kPages = 12;
constexpr uint32_t kPageTokens = 4;

inline int32_t TokenOf(int32_t request, uint32_t index) { return request * 64 + static_cast<int32_t>(index); }

// A page that counts its instances.
class LivePage {
 public:
  explicit LivePage(std::shared_ptr<uint64_t> count) : count_(std::move(count)) { ++*count_; }
  ~LivePage() { --*count_; }
  LivePage(const LivePage&) = delete;
  LivePage& operator=(const LivePage&) = delete;

 private:
  std::shared_ptr<uint64_t> count_;
};

// One job of one epoch. It holds the messages that its ranks have yet to send. They are in order for each
// rank and in any order between ranks.
struct FakeJob {
  explicit FakeJob(Dice* storm) : dice(storm) {}

  // Connects the next rank and makes it ready.
  void Connect() {
    const from_worker::Ready ready{.kv_pages = kPages + dice->Below(3), .page_tokens = kPageTokens};
    capacity = std::min(capacity, ready.kv_pages);
    out[connected++].emplace_back(ready);
  }

  // Sends a few tokens of each sequence. Some are sent twice or with another generation. Some sequences end.
  void Generate() {
    std::vector<uint64_t> done;
    for (const auto& [number, asked] : open) {
      if (!IsCanary(asked) && dice->OneIn(60)) Fail(number);
      if (failed.contains(number)) continue;  // until it is cancelled
      for (uint32_t n = dice->Below(4); n > 0; --n) {
        const uint32_t index = generated[number];
        const bool stop = index > 0 && dice->OneIn(20);
        if (index == MaxTokens(asked) || stop) {
          Finish(asked, index, stop ? EndReason::kStop : EndReason::kLength);
          done.push_back(number);
          break;
        }
        Say(number, 0, asked, index);
        if (dice->OneIn(10)) Say(number, 0, asked, dice->Below(index + 1));  // duplicate
        if (dice->OneIn(10)) Say(number, 1, asked, index);                   // another generation
        ++generated[number];
      }
    }
    for (const uint64_t number : done) open.erase(number);
  }
  void Say(uint64_t number, uint32_t generation, const to_worker::OpenSequence& asked, uint32_t index) {
    const std::vector<int32_t>& prompt = asked.request.prompt;
    const TokenEvent event{.generation = generation,
                           .position = static_cast<uint32_t>(prompt.size()) + index,
                           .token = generation == 0 ? TokenOf(prompt.back(), index) : -1};
    out[dice->Below(kStages)].emplace_back(from_worker::Tokens{{{number, event}}});
  }
  // Finishes a sequence at stage 0. Some sequences fail at that moment.
  void Finish(const to_worker::OpenSequence& asked, uint32_t tokens, EndReason reason) {
    const uint64_t number = asked.sequence;
    if (!IsCanary(asked) && dice->OneIn(20)) Fail(number);
    const auto positions = static_cast<uint32_t>(asked.request.prompt.size());
    for (auto at = static_cast<uint32_t>(asked.request.score_from); at > 0 && at < positions; ++at) {
      if (failed.contains(number)) break;
      if (reason == EndReason::kCancelled && dice->OneIn(2)) break;
      out.back().emplace_back(from_worker::Scores{{{number, {.position = at}}}});
    }
    const bool retained = asked.retain_tokens > 0 && (reason != EndReason::kCancelled || dice->OneIn(2));
    out[0].emplace_back(from_worker::SequenceFinished{number, tokens, reason, retained});
    pages.at(number).resize(retained ? asked.retain_tokens / kPageTokens : 0);
    if (!retained) held.erase(number);
    for (auto& queue : out) queue.emplace_back(from_worker::SequencesClosed{{number}});
  }

  static bool IsCanary(const to_worker::OpenSequence& asked) { return asked.request.prompt.back() == 0; }
  static uint32_t MaxTokens(const to_worker::OpenSequence& asked) {
    return static_cast<uint32_t>(asked.request.max_tokens);
  }

  // One or several stages say that the sequence has failed, and those that share with it.
  void Fail(uint64_t number) {
    if (!failed.insert(number).second) return;
    const from_worker::SequenceFailed message{number, "out of memory for its states"};
    const uint32_t first = dice->Below(kStages);
    for (uint32_t rank = 0; rank < kStages; ++rank) {
      if (rank == first || dice->OneIn(4)) out[rank].emplace_back(message);
    }
    for (const auto& [other, asked] : open) {
      if (asked.shared.sequence == number) Fail(other);
    }
  }

  void Refuse(const to_worker::OpenSequence& asked) {
    refused.insert(asked.sequence);
    out[0].emplace_back(from_worker::SequenceRefused{asked.sequence, "of no use"});
  }

  // Takes pages as stage 0 does, before any other stage.
  void TakePages(const to_worker::OpenSequence& asked) {
    auto& own = pages[asked.sequence];
    if (asked.shared.sequence != 0 && !refused.contains(asked.shared.sequence)) {
      ASSERT_TRUE(held.contains(asked.shared.sequence)) << "it holds nothing any more";
      ASSERT_FALSE(said_failed.contains(asked.shared.sequence)) << "it has failed";
      const std::vector<int32_t>& source = held.at(asked.shared.sequence).request.prompt;
      const auto n = static_cast<int>(asked.shared.tokens);
      ASSERT_LT(n, static_cast<int>(source.size()));
      ASSERT_TRUE(std::equal(source.begin(), source.begin() + n, asked.request.prompt.begin()));
      const auto& from = pages.at(asked.shared.sequence);
      own.assign(from.begin(), from.begin() + n / static_cast<int>(kPageTokens));
    }
    const uint64_t positions = asked.request.prompt.size() + MaxTokens(asked);
    const uint64_t all = (positions + kPageTokens - 1) / kPageTokens;
    while (own.size() < all) own.push_back(std::make_shared<LivePage>(live_pages));
    ASSERT_LE(*live_pages, capacity) << "more pages than there are";
    held[asked.sequence] = asked;
    if (failed.contains(asked.shared.sequence)) Fail(asked.sequence);
  }

  Dice* dice;
  uint32_t pipeline = 0;
  uint64_t epoch = 0;
  bool alive = true;
  uint32_t connected = 0;
  std::vector<std::deque<FromWorker>> out = std::vector<std::deque<FromWorker>>(kStages);
  std::map<uint64_t, to_worker::OpenSequence> open;
  std::map<uint64_t, uint32_t> generated;
  std::map<uint64_t, to_worker::OpenSequence> held;  // sequences with pages: open, or with a retained prefix
  std::map<uint64_t, std::vector<std::shared_ptr<LivePage>>> pages;
  std::shared_ptr<uint64_t> live_pages = std::make_shared<uint64_t>(0);
  uint64_t capacity = UINT64_MAX;
  std::set<uint64_t> refused;
  std::set<uint64_t> failed;
  std::set<uint64_t> failed_now;   // sequences whose failure was sent in this step
  std::set<uint64_t> said_failed;  // sequences whose failure was sent in an earlier step
  uint64_t opened = 0;             // sequences to open, without those whose refusal was sent
  uint64_t rung = 0;               // newest doorbell
  uint64_t progress = 0;
};

}  // namespace exeunt::coordinator
