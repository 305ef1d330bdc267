// Which prompts' beginnings are held by whom, what is evicted first, and what the core orders of it.
#include "coordinator/core/prefix_cache.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "coordinator/core/testing/core_harness.h"

namespace exeunt::coordinator {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

std::vector<int32_t> Tokens(int count, int first = 0) {
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

std::pair<uint64_t, uint32_t> Found(const PrefixCache& cache, const std::vector<int32_t>& prompt,
                                    uint32_t most = 1000) {
  const SharedPrefix found = cache.Find(prompt, std::min(most, static_cast<uint32_t>(prompt.size())));
  return {found.sequence, found.tokens};
}

TEST(PrefixCache, FindsTheLongestBeginningOfWholePagesAndItsNewestHolder) {
  PrefixCache cache(4);
  EXPECT_THAT(Found(cache, Tokens(20)), Pair(0U, 0U));
  cache.Add(1, Tokens(12));
  cache.Add(2, Tokens(8));
  EXPECT_THAT(Found(cache, Tokens(20)), Pair(1U, 12U));
  EXPECT_THAT(Found(cache, Tokens(20), 11), Pair(2U, 8U));
  EXPECT_THAT(Found(cache, Tokens(7)), Pair(2U, 4U));
  EXPECT_THAT(Found(cache, Tokens(3)), Pair(0U, 0U));
  std::vector<int32_t> other = Tokens(12);
  other[9] = 77;
  EXPECT_THAT(Found(cache, other), Pair(2U, 8U));
  EXPECT_THAT(Found(cache, Tokens(12, 1)), Pair(0U, 0U));
}

// A prompt of a context of millions of tokens is found, removed and destroyed without a stack that grows with
// it.
TEST(PrefixCache, TakesPromptsOfMillionsOfTokens) {
  constexpr int kLong = 1 << 20;  // 2^18 pages
  auto cache = std::make_unique<PrefixCache>(4);
  cache->Add(1, Tokens(kLong));
  cache->Add(2, Tokens(8));
  EXPECT_THAT(Found(*cache, Tokens(kLong + 1), kLong), Pair(1U, static_cast<uint32_t>(kLong)));
  cache->Suspend(1);
  EXPECT_THAT(Found(*cache, Tokens(kLong + 1), kLong), Pair(2U, 8U));
  cache->Resume(1);
  cache.reset();
}

TEST(PrefixCache, WhatIsSuspendedOrRemovedIsNotFound) {
  PrefixCache cache(4);
  cache.Add(1, Tokens(8));
  cache.Add(2, Tokens(12));
  cache.Suspend(2);
  EXPECT_THAT(Found(cache, Tokens(12)), Pair(1U, 8U));
  cache.Resume(2);
  EXPECT_THAT(Found(cache, Tokens(12)), Pair(2U, 12U));
  cache.Suspend(2);
  cache.Remove(2);
  cache.Resume(2);  // it is gone
  EXPECT_THAT(Found(cache, Tokens(12)), Pair(1U, 8U));
  EXPECT_EQ(cache.TokensOf(1), 8U);
  EXPECT_EQ(cache.TokensOf(2), 0U);
  cache.Remove(1);
  EXPECT_THAT(Found(cache, Tokens(12)), Pair(0U, 0U));
}

TEST(PrefixCache, EvictsWhatWasUsedTheLongestAgo) {
  PrefixCache cache(4);
  for (int i = 1; i <= 3; ++i) cache.Add(static_cast<uint64_t>(i), Tokens(8, 100 * i));
  EXPECT_EQ(cache.Oldest(), std::nullopt);
  cache.MakeEvictable(2);
  EXPECT_EQ(cache.Oldest(), 2U);
  cache.MakeEvictable(1);
  EXPECT_EQ(cache.Oldest(), 1U);
  cache.Touch(1);
  EXPECT_EQ(cache.Oldest(), 2U);
  cache.Touch(3);  // not evictable yet
  cache.MakeEvictable(3);
  cache.Remove(2);
  EXPECT_EQ(cache.Oldest(), 1U);
  cache.Remove(1);
  EXPECT_EQ(cache.Oldest(), 3U);
}

// 10 pages of 16 tokens in each of two stages.
class PrefixOrders : public testing::Test {
 protected:
  static CoreConfig Config(bool on) {
    CoreConfig config;
    config.stages = 2;
    config.context_length = 1000;
    config.prefix_cache = on;
    return config;
  }
  explicit PrefixOrders(bool on = true) : h_(Config(on)) { h_.BringUp(10); }

  RequestId Ask(std::vector<int32_t> prompt, uint32_t max_tokens = 10, uint32_t score_from = 0) {
    SequenceRequest record;
    const RequestId id = ++h_.last_id;
    record.prompt = std::move(prompt);
    record.max_tokens = static_cast<int>(max_tokens);
    record.score_from = static_cast<int>(score_from);
    h_.Do1(RequestArrived{id, record});
    return id;
  }
  // The newest order to open.
  to_worker::OpenSequence Opened() const {
    const auto admits = h_.Sent<to_worker::Admit>(0, 0);
    return admits.empty() ? to_worker::OpenSequence() : admits.back().open.back();
  }
  void Finish(const to_worker::OpenSequence& open, bool retained) {
    h_.Finished(0, open.sequence, 0, EndReason::kStop, /*rank=*/0, retained);
  }
  void End(const to_worker::OpenSequence& open, bool retained) {
    Finish(open, retained);
    h_.CloseEverywhere(0, open.sequence);
  }
  const KvLedger& ledger() const { return h_.core.replicas()[0].ledger; }
  CoreHarness h_;
};

TEST_F(PrefixOrders, APromptIsLeftBehindAndSharedByTheNextThatBeginsAlike) {
  Ask(Tokens(40));
  const auto first = Opened();
  EXPECT_EQ(first.shared.sequence, 0U);
  EXPECT_EQ(first.retain_tokens, 32U);
  EXPECT_EQ(ledger().reserved_pages(), 4U);
  Ask(Tokens(60));
  const auto second = Opened();  // while the first is open
  EXPECT_EQ(second.shared.sequence, first.sequence);
  EXPECT_EQ(second.shared.tokens, 32U);
  EXPECT_EQ(second.retain_tokens, 48U);
  EXPECT_EQ(ledger().reserved_pages(), 4U + 3U);
  End(first, true);
  End(second, true);
  EXPECT_EQ(ledger().reserved_pages(), 0U);
  EXPECT_EQ(ledger().cached_pages(), 3U);
  h_.actions.clear();
  Ask(Tokens(49));
  const auto third = Opened();
  EXPECT_EQ(third.shared.sequence, second.sequence);
  EXPECT_EQ(third.shared.tokens, 48U);
  EXPECT_EQ(third.retain_tokens, 0U) << "it is all there";
  const auto admitted = h_.All<RequestAdmitted>();
  EXPECT_EQ(admitted.at(0).cached_tokens, 48U);
}

TEST_F(PrefixOrders, TheLastTokenOfAPromptAndThoseToBeScoredAreNotShared) {
  Ask(Tokens(32));
  End(Opened(), true);
  Ask(Tokens(17));
  EXPECT_EQ(Opened().shared.tokens, 16U);
  Ask(Tokens(16));
  EXPECT_EQ(Opened().shared.tokens, 0U);
  Ask(Tokens(32), 10, 16);
  EXPECT_EQ(Opened().shared.tokens, 0U);
  EXPECT_EQ(Opened().retain_tokens, 0U);
  Ask(Tokens(32), 10, 17);
  EXPECT_EQ(Opened().shared.tokens, 16U);
}

TEST_F(PrefixOrders, RoomIsMadeByEvictingBehindTheOrdersThatShare) {
  Ask(Tokens(40));
  const auto first = Opened();
  End(first, true);
  Ask(Tokens(40, 500));
  const auto second = Opened();
  End(second, true);
  EXPECT_EQ(ledger().cached_pages(), 4U);
  h_.actions.clear();
  Ask(Tokens(80), 40);  // 8 pages, 2 of them shared with the first: 10 with the second's
  const auto evicts = h_.Sent<to_worker::Evict>(0, 0);
  EXPECT_THAT(evicts, IsEmpty());
  EXPECT_EQ(Opened().shared.sequence, first.sequence);
  Ask(Tokens(12, 900), 20);  // 2 pages more: the first's are in use, the second's go
  ASSERT_EQ(h_.Sent<to_worker::Evict>(0, 0).size(), 1U);
  EXPECT_THAT(h_.Sent<to_worker::Evict>(0, 0)[0].sequences, ElementsAre(first.sequence, second.sequence));
  const size_t admit = ToWorker(to_worker::Admit{}).index();
  std::vector<size_t> order;
  for (const auto& send : h_.All<SendToWorker>()) {
    if (send.rank == 0) order.push_back(send.message.index());
  }
  EXPECT_THAT(order, ElementsAre(admit, ToWorker(to_worker::Evict{}).index(), admit));
  EXPECT_EQ(ledger().cached_pages(), 0U);
  EXPECT_EQ(ledger().reserved_pages(), 10U);
}

TEST_F(PrefixOrders, WhatStandsInTheWayIsEvictedThoughItCouldBeShared) {
  Ask(Tokens(100), 1);
  const auto first = Opened();
  End(first, true);  // 6 pages
  h_.actions.clear();
  std::vector<int32_t> prompt = Tokens(16);
  prompt.resize(140, 7);
  Ask(prompt, 20);  // 10 pages; one could be shared, but the other five of the first are in the way
  EXPECT_EQ(Opened().shared.sequence, 0U);
  EXPECT_THAT(h_.Sent<to_worker::Evict>(0, 0).at(0).sequences, ElementsAre(first.sequence));
}

TEST_F(PrefixOrders, WhatWasCancelledIsSharedOnlyOnceStageZeroHasSaidThatItStays) {
  const RequestId id = Ask(Tokens(40));
  const auto first = Opened();
  h_.Do1(ClientGone{id});
  Ask(Tokens(40));
  const auto second = Opened();
  EXPECT_EQ(second.shared.sequence, 0U);
  EXPECT_EQ(second.retain_tokens, 32U);
  End(first, true);
  Ask(Tokens(40));
  EXPECT_EQ(Opened().shared.sequence, second.sequence);
  h_.Do1(ClientGone{h_.last_id});
  h_.Do1(ClientGone{h_.last_id - 1});
  End(second, false);
  h_.actions.clear();
  Ask(Tokens(40));
  EXPECT_EQ(Opened().shared.sequence, first.sequence);
}

TEST_F(PrefixOrders, WhatWasNotToStayEndsTheJob) {
  Ask(Tokens(10));
  const auto open = Opened();
  Finish(open, true);
  EXPECT_EQ(h_.All<EndPipeline>().at(0).why,
            fmt::format("stage 0 keeps a prompt that was not to stay, of sequence {}", open.sequence));
}

class NoPrefixes : public PrefixOrders {
 protected:
  NoPrefixes() : PrefixOrders(false) {}
};

TEST_F(NoPrefixes, NothingIsShared) {
  Ask(Tokens(40));
  EXPECT_EQ(Opened().retain_tokens, 0U);
  Ask(Tokens(40));
  EXPECT_EQ(Opened().shared.sequence, 0U);
}

}  // namespace
}  // namespace exeunt::coordinator
