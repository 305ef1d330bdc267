// RowPlan: what is to be done with one position of a sequence. A row runs through layers [0, run_to). In
// layers [run_to, fill_to) only its K/V is projected, from its state after run_to (a fill). The plan of a row
// changes once at most: when its token leaves at an exit. Every plan in use is made by a factory below, and
// row_plan_test.cc has the table of all answers. A plan is a value without an owner; it is thread-safe.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "model/layer_span.h"
#include "request/exit_setting.h"

namespace exeunt::worker {

// What the head does with a row after its layer run_to.
enum class HeadUse : uint8_t {
  kNone,
  kDraw,     // draws the next token of the answer
  kScore,    // says how likely the prompt's next token is
  kCompare,  // draws the next token and compares it with the row's draft
};

struct RowPlan {
  int16_t run_to = 0;   // layers
  int16_t fill_to = 0;  // layers, at least run_to
  HeadUse head = HeadUse::kNone;
  bool may_exit = false;

  // Of a model of n layers.
  static constexpr RowPlan Prompt(int n) { return Make(n, n, HeadUse::kNone, false); }
  static constexpr RowPlan Live(int n) { return Make(n, n, HeadUse::kDraw, true); }
  static constexpr RowPlan Scored(int n) { return Make(n, n, HeadUse::kScore, false); }
  // What remains to be done for a token that left after `layer` layers, by the mode of its request.
  static constexpr RowPlan Left(ExitMode mode, int layer, int n) {
    if (mode == ExitMode::kExact) return Make(n, n, HeadUse::kNone, false);
    if (mode == ExitMode::kVerify) return Make(n, n, HeadUse::kCompare, false);
    return Make(layer, n, HeadUse::kNone, false);
  }
  // A position of a replay, whose token left after `layer` layers before (mode propagate).
  static constexpr RowPlan Replayed(int layer, int n) { return Make(layer, n, HeadUse::kNone, false); }

  // A token of the answer is drawn from the row.
  constexpr bool Answers() const { return head == HeadUse::kDraw; }
  // The head says how likely the prompt's next token is.
  constexpr bool Scores() const { return head == HeadUse::kScore; }
  // The row may leave at an exit where its request allows one.
  constexpr bool MayExit() const { return may_exit; }
  // The row goes to the head when it has run through `layers` layers, whatever the exits say.
  constexpr bool WantsHead(int layers) const { return head != HeadUse::kNone && layers == run_to; }
  // The row runs through the segment. A plan that checks against the segments ends in none of them.
  constexpr bool RunsIn(LayerSpan segment) const { return run_to > segment.begin; }
  // The segment projects the row's K/V only.
  constexpr bool FillsIn(LayerSpan segment) const {
    return run_to <= segment.begin && fill_to > segment.begin;
  }
  // Nothing is left to do for the row in layers from `layers` on.
  constexpr bool EndsAt(int layers) const { return fill_to <= layers; }

  friend constexpr bool operator==(const RowPlan&, const RowPlan&) = default;

 private:
  static constexpr RowPlan Make(int run_to, int fill_to, HeadUse head, bool may_exit) {
    return {static_cast<int16_t>(run_to), static_cast<int16_t>(fill_to), head, may_exit};
  }
};

// A plan that came from outside, against a model of n layers. The error names field, value and limit.
Status CheckPlan(const RowPlan& plan, int n_layers);

}  // namespace exeunt::worker
