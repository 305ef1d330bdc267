// Drives a single stage core event by event. The tests of the stage share it.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <vector>

#include "base/check.h"
#include "costs/layer_split.h"
#include "worker/core/stage.h"

namespace exeunt::worker {

inline constexpr SequenceLimits kLimits{{256, 100, 8}, 32};

inline StageConfig Config(int rank, int ranks) {
  StageConfig config;
  config.rank = rank;
  config.split = EvenSplit(8, ranks);
  config.epoch = 7;
  config.limits = kLimits;
  config.exit_layers = {2, 6};
  config.kv_pages = 8;
  return config;
}

inline SequenceSpec Spec(uint64_t id, int prompt = 3, int max_tokens = 4) {
  SequenceSpec spec;
  spec.sequence = id;
  for (int i = 0; i < prompt; ++i) spec.prompt.push_back(10 + i);
  spec.max_tokens = max_tokens;
  return spec;
}

template <typename T>
std::vector<T> Of(const std::vector<StageAction>& actions) {
  std::vector<T> found;
  for (const auto& a : actions) {
    if (const T* t = std::get_if<T>(&a)) found.push_back(*t);
  }
  return found;
}

inline Frame OpenFrame(uint64_t id, uint64_t epoch = 7) {
  return {epoch, 1, {ControlRow{ControlKind::kOpen, id}}, {Spec(id)}};
}

inline constexpr RowPlan kPrompt = RowPlan::Prompt(kLimits.n_layers);
inline constexpr RowPlan kLive = RowPlan::Live(kLimits.n_layers);
inline constexpr RowPlan kFill = RowPlan::Left(ExitMode::kPropagate, 2, kLimits.n_layers);

inline StateRow RowAt(uint64_t id, int position, const RowPlan& plan, uint32_t generation = 0) {
  return {.sequence = id, .generation = generation, .position = position, .token = 10, .plan = plan};
}

// Returns the row's ControlKind, or nothing for a state row.
inline std::optional<ControlKind> KindOf(const Row& row) {
  const auto* control = std::get_if<ControlRow>(&row);
  return control != nullptr ? std::optional(control->kind) : std::nullopt;
}

// Returns the state rows of `rows`.
inline std::vector<StateRow> StateRows(const std::vector<Row>& rows) {
  std::vector<StateRow> found;
  for (const Row& row : rows) {
    if (const auto* state = std::get_if<StateRow>(&row)) found.push_back(*state);
  }
  return found;
}

class StageTest : public testing::Test {
 protected:
  static constexpr Duration kStep = std::chrono::microseconds(10);
  std::vector<StageAction> Step(Stage* stage, std::vector<StageEvent> events) {
    now_ = now_ + kStep;
    std::vector<StageAction> actions;
    stage->Step(now_, events, &actions);
    return actions;
  }
  // The time of a job beside the step's own 10 us. It is 0 unless a test sets it.
  using JobTime = std::function<Duration(const Job& job)>;
  // Returns an executor's result for a job: a token for each head row and a signal for each signal that is
  // asked for.
  static JobDone Done(const Job& job, Duration took = kStep) {
    JobDone done{.job = job, .took = took};
    if (auto* head = std::get_if<HeadJob>(&done.job.work)) {
      head->results.assign(head->rows.size(), {.token = 5, .softmax_margin = 0.5F});
    } else {
      auto& segment = std::get<SegmentJob>(done.job.work);
      segment.result.signals.assign(segment.signals.size(), 0.5F);
    }
    return done;
  }
  // Completes segment and head jobs with a token until none is left. Returns all actions.
  std::vector<StageAction> Finish(Stage* stage, std::vector<StageAction> actions,
                                  const JobTime& job_time = nullptr) {
    std::vector<StageAction> all;
    for (;;) {
      const auto jobs = Of<SubmitJob>(actions);
      all.insert(all.end(), actions.begin(), actions.end());
      if (jobs.empty()) return all;
      CHECK_EQ(jobs.size(), 1U);
      const Duration took = job_time ? job_time(jobs[0].job) : Duration{0};
      now_ = now_ + took;
      actions = Step(stage, {Done(jobs[0].job, took + kStep)});
    }
  }
  CalmExitPolicy policy_;
  TimePoint now_{std::chrono::seconds(1)};
};

}  // namespace exeunt::worker
