#include "backend/conformance/executor_conformance.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "kernels/kv_layout.h"

namespace exeunt {
namespace {

constexpr int kSlots = 64;
constexpr int kTurns = 1000000;  // most turns of waiting

using Bytes = std::vector<std::byte>;

class Conformance {
 public:
  explicit Conformance(const ConformanceSubject& subject) : subject_(subject), half_(subject.n_layers / 2) {}

  void RunAll() {
    JobsAreDoneInTheOrderOfSubmission();
    JobsInFlightDoNotDisturbEachOther();
    AJobSeesTheKvOfTheOneBefore();
    KvOfAllRowsComesBeforeAnyAttention();
    FillsAreProjectedFromTheirStates();
    PayloadsCarryStates();
    WhatCannotBeReservedFailsByName();
    SignalsAreTheSameAfterForget();
    TheHeadGivesARowTheSameTokenInAnyBatch();
  }

 private:
  std::unique_ptr<Executor> Make(int max_slots = kSlots) const {
    auto executor = subject_.make(max_slots);
    EXPECT_TRUE(executor->Reserve(std::min(kSlots, max_slots)).has_value());
    return executor;
  }
  // Returns a row of a prompt whose tokens follow from `seed`, in the slot of its position.
  LayerRow RowAt(int position, int seed, const std::vector<int32_t>& pages, int first_slot = 0) const {
    return {first_slot + position, position, (seed * 31 + position * 7) % subject_.vocab_size, &pages};
  }
  SegmentJob Segment(int begin, int end) const {
    return {.layer_begin = begin, .layer_end = end, .embed = begin == 0};
  }
  SegmentJob Prompt(int first, int end, int seed, const std::vector<int32_t>& pages,
                    int first_slot = 0) const {
    SegmentJob job = Segment(0, subject_.n_layers);
    for (int p = first; p < end; ++p) job.run.push_back(RowAt(p, seed, pages, first_slot));
    return job;
  }

  // Submits the jobs, as many at once as the executor takes, and waits for all of them.
  template <typename Work>
  std::vector<JobDone> RunJobs(Executor* executor, std::vector<Work> jobs) const {
    std::vector<JobDone> done;
    size_t submitted = 0;
    for (int turn = 0; done.size() < jobs.size(); ++turn) {
      if (turn == kTurns) {
        ADD_FAILURE() << "a job is never done";
        break;
      }
      while (submitted < jobs.size() && submitted - done.size() < static_cast<size_t>(executor->depth())) {
        executor->Submit({submitted + 1, std::move(jobs[submitted])});
        ++submitted;
      }
      executor->Poll(&done);
      subject_.pass_time();
    }
    return done;
  }
  void Run(Executor* executor, SegmentJob job) const {
    const auto done = RunJobs(executor, std::vector{std::move(job)});
    ASSERT_EQ(done.size(), 1U);
    EXPECT_TRUE(done[0].status.has_value()) << done[0].status.error().message;
  }
  void Await(transport::StatePayload* payload) const {
    for (int turn = 0; turn < kTurns && !payload->Ready(); ++turn) subject_.pass_time();
  }
  Bytes States(Executor* executor, const std::vector<int32_t>& slots) const {
    auto payload = executor->payloads()->Take(0);
    executor->Gather(slots, payload.get());
    Await(payload.get());
    EXPECT_EQ(payload->size(), slots.size() * executor->state_bytes());
    Bytes bytes(payload->data(), payload->data() + payload->size());
    executor->payloads()->GiveBack(std::move(payload));
    return bytes;
  }
  static std::vector<int32_t> Slots(int begin, int end) {
    std::vector<int32_t> slots(static_cast<size_t>(end - begin));
    std::iota(slots.begin(), slots.end(), begin);
    return slots;
  }

  void JobsAreDoneInTheOrderOfSubmission() const {
    const auto executor = Make();
    ASSERT_GE(executor->depth(), 1);
    std::vector<SegmentJob> jobs;
    for (int p = 0; p < 9; ++p) jobs.push_back(Prompt(p, p + 1, 1, pages_));
    const auto empty = RunJobs(executor.get(), std::vector{Segment(0, subject_.n_layers)});
    ASSERT_EQ(empty.size(), 1U);
    EXPECT_TRUE(empty[0].status.has_value()) << "a job without rows";
    const auto done = RunJobs(executor.get(), std::move(jobs));
    for (size_t i = 0; i < done.size(); ++i) {
      EXPECT_EQ(done[i].job.id, i + 1);
      EXPECT_TRUE(done[i].status.has_value());
      EXPECT_GE(done[i].took.count(), 0);
      EXPECT_EQ(std::get<SegmentJob>(done[i].job.work).run.size(), 1U) << "a job comes back with its memory";
    }
    std::vector<JobDone> none;
    executor->Poll(&none);
    EXPECT_TRUE(none.empty());
  }

  void JobsInFlightDoNotDisturbEachOther() const {
    const auto together = Make();
    RunJobs(together.get(), std::vector{Prompt(0, 5, 1, pages_), Prompt(0, 7, 2, other_pages_, 8)});
    const auto alone = Make();
    Run(alone.get(), Prompt(0, 5, 1, pages_));
    const auto second = Make();
    Run(second.get(), Prompt(0, 7, 2, other_pages_, 8));
    EXPECT_EQ(States(together.get(), Slots(0, 5)), States(alone.get(), Slots(0, 5)));
    EXPECT_EQ(States(together.get(), Slots(8, 15)), States(second.get(), Slots(8, 15)));
    EXPECT_NE(States(together.get(), {0}), States(together.get(), {8})) << "states vary";
  }

  void AJobSeesTheKvOfTheOneBefore() const {
    const auto whole = Make();
    Run(whole.get(), Prompt(0, 9, 3, pages_));
    const auto chunks = Make();
    RunJobs(chunks.get(),
            std::vector{Prompt(0, 4, 3, pages_), Prompt(4, 8, 3, pages_), Prompt(8, 9, 3, pages_)});
    EXPECT_EQ(States(chunks.get(), Slots(0, 9)), States(whole.get(), Slots(0, 9)));
  }

  void KvOfAllRowsComesBeforeAnyAttention() const {
    const auto ascending = Make();
    Run(ascending.get(), Prompt(0, 6, 4, pages_));
    const auto mixed = Make();
    SegmentJob job = Prompt(0, 6, 4, pages_);
    std::reverse(job.run.begin(), job.run.end());
    for (const LayerRow& row : Prompt(0, 6, 5, other_pages_, 8).run) job.run.push_back(row);
    Run(mixed.get(), std::move(job));
    EXPECT_EQ(States(mixed.get(), Slots(0, 6)), States(ascending.get(), Slots(0, 6)));
  }

  // A row that left after half of the layers is filled in the others, in the job of the row that attends to
  // it.
  void FillsAreProjectedFromTheirStates() const {
    const auto both = Make();
    const auto apart = Make();
    for (Executor* executor : {both.get(), apart.get()}) {
      SegmentJob shallow = Segment(0, half_);
      shallow.run = {RowAt(0, 6, pages_), RowAt(1, 6, pages_)};
      Run(executor, std::move(shallow));
    }
    const Bytes left = States(both.get(), {0});
    SegmentJob deep = Segment(half_, subject_.n_layers);
    deep.run = {RowAt(1, 6, pages_)};
    deep.fill = {RowAt(0, 6, pages_)};
    SegmentJob fill = Segment(half_, subject_.n_layers);
    fill.fill = deep.fill;
    SegmentJob run = Segment(half_, subject_.n_layers);
    run.run = deep.run;
    Run(both.get(), std::move(deep));
    RunJobs(apart.get(), std::vector{std::move(fill), std::move(run)});
    EXPECT_EQ(States(both.get(), Slots(0, 2)), States(apart.get(), Slots(0, 2)));
    EXPECT_EQ(States(both.get(), {0}), left) << "a fill leaves its state as it is";
  }

  void PayloadsCarryStates() const {
    const auto whole = Make();
    Run(whole.get(), Prompt(0, 2, 7, pages_));
    const auto first = Make();
    SegmentJob shallow = Segment(0, half_);
    shallow.run = {RowAt(0, 7, pages_), RowAt(1, 7, pages_)};
    Run(first.get(), std::move(shallow));
    const Bytes sent = States(first.get(), {1, 0, 1});
    const auto next = Make();
    auto payload = next->payloads()->Take(sent.size());
    std::memcpy(payload->data(), sent.data(), sent.size());
    next->Scatter({21, 20, -1}, payload.get());  // the third row is skipped
    Await(payload.get());
    std::memset(payload->data(), 0xFF, payload->size());  // the executor has read it
    next->payloads()->GiveBack(std::move(payload));
    SegmentJob deep = Segment(half_, subject_.n_layers);
    deep.run = {{20, 0, -1, &pages_}, {21, 1, -1, &pages_}};
    Run(next.get(), std::move(deep));
    EXPECT_EQ(States(next.get(), {20, 21}), States(whole.get(), {0, 1}));
  }

  void WhatCannotBeReservedFailsByName() const {
    const auto executor = Make(8);
    Run(executor.get(), Prompt(0, 4, 8, pages_));
    const Bytes before = States(executor.get(), Slots(0, 4));
    const Status more = executor->Reserve(9);
    ASSERT_FALSE(more.has_value());
    EXPECT_EQ(more.error().code, ErrorCode::kResourceExhausted);
    EXPECT_NE(more.error().message.find("9 rows"), std::string::npos) << more.error().message;
    EXPECT_EQ(States(executor.get(), Slots(0, 4)), before);
    SegmentJob bad = Segment(0, subject_.n_layers);
    bad.run = {{100000, 0, 1, &other_pages_}};
    const auto done = RunJobs(executor.get(), std::vector{std::move(bad), Prompt(4, 5, 8, pages_)});
    ASSERT_EQ(done.size(), 2U);
    ASSERT_FALSE(done[0].status.has_value());
    EXPECT_EQ(done[0].status.error().code, ErrorCode::kResourceExhausted);
    EXPECT_NE(done[0].status.error().message.find("slot 100000"), std::string::npos)
        << done[0].status.error().message;
    EXPECT_TRUE(done[1].status.has_value()) << "the next job is not concerned";
    const Bytes nowhere = States(executor.get(), {100000});
    EXPECT_EQ(nowhere, Bytes(nowhere.size()));
    const auto good = Make();
    Run(good.get(), Prompt(0, 5, 8, pages_));
    EXPECT_EQ(States(executor.get(), {4}), States(good.get(), {4}));
    HeadJob head;
    SamplingParams greedy{.temperature = 0.0F};
    head.rows = {{100000, subject_.n_layers, 1, &greedy}};
    const auto heads = RunJobs(executor.get(), std::vector{std::move(head)});
    ASSERT_EQ(heads.size(), 1U);
    EXPECT_FALSE(heads[0].status.has_value());
  }

  SegmentResult Measure(Executor* executor, ExitMeasure measure, const std::vector<int32_t>& prompt) const {
    SegmentJob job = Segment(0, subject_.exit_layer);
    for (size_t p = 0; p < prompt.size(); ++p) {
      const auto at = static_cast<int32_t>(p);
      job.run.push_back({at, at, prompt[p], &pages_, /*sequence=*/1, &prompt});
    }
    job.signals.assign(job.run.size(), measure);
    const auto done = RunJobs(executor, std::vector{std::move(job)});
    return done.empty() ? SegmentResult{} : std::get<SegmentJob>(done[0].job.work).result;
  }

  void SignalsAreTheSameAfterForget() const {
    const std::vector<int32_t> first = {1, 2, 3};
    const std::vector<int32_t> second = {5, 6, 7, 8};
    for (const ExitMeasure measure : subject_.measures) {
      const auto used = Make();
      Measure(used.get(), measure, first);
      used->Forget(1);
      used->Forget(99);  // an unknown sequence is ignored
      const SegmentResult again = Measure(used.get(), measure, second);
      const auto fresh = Make();
      const SegmentResult want = Measure(fresh.get(), measure, second);
      EXPECT_EQ(again.signals, want.signals) << ExitMeasureName(measure);
      EXPECT_EQ(again.previews, want.previews) << ExitMeasureName(measure);
      EXPECT_EQ(want.signals.size(), second.size());
      EXPECT_EQ(want.previews.size(), Info(measure).gives_token ? second.size() : 0)
          << ExitMeasureName(measure);
    }
  }

  void TheHeadGivesARowTheSameTokenInAnyBatch() const {
    const auto executor = Make();
    Run(executor.get(), Prompt(0, 6, 9, pages_));
    const SamplingParams sampled{.seed = 4};
    const auto row = [&](int p) {
      return HeadRow{p, subject_.n_layers, static_cast<uint32_t>(p) + 1, &sampled, /*want_logits=*/true};
    };
    HeadJob all;
    for (int p = 0; p < 6; ++p) all.rows.push_back(row(p));
    std::vector<HeadJob> jobs = {std::move(all)};
    for (int p = 0; p < 6; ++p) jobs.push_back({{row(p)}, {}});
    const auto done = RunJobs(executor.get(), std::move(jobs));
    ASSERT_EQ(done.size(), 7U);
    const auto& together = std::get<HeadJob>(done[0].job.work).results;
    ASSERT_EQ(together.size(), 6U);
    for (size_t p = 0; p < 6; ++p) {
      const auto& alone = std::get<HeadJob>(done[p + 1].job.work).results;
      ASSERT_EQ(alone.size(), 1U);
      EXPECT_EQ(alone[0].token, together[p].token);
      EXPECT_EQ(alone[0].softmax_margin, together[p].softmax_margin);
      EXPECT_EQ(alone[0].logits, together[p].logits);
      EXPECT_FALSE(alone[0].logits.empty());
      EXPECT_GE(alone[0].token, 0);
      EXPECT_LT(alone[0].token, subject_.vocab_size);
    }
  }

  const ConformanceSubject& subject_;
  int half_;
  std::vector<int32_t> pages_ = {2, 0};
  std::vector<int32_t> other_pages_ = {1, 3};
};

}  // namespace

void RunExecutorConformance(const ConformanceSubject& subject) { Conformance(subject).RunAll(); }

}  // namespace exeunt
