// RowPlan says what is to be done with one position of a sequence. A row runs through layers [0, run_to). In
// layers [run_to, fill_to) only its K/V is projected, from its state after run_to (a fill). The plan of a row
// changes at most once, when its token leaves at an exit. The factories below make every plan in use.
// row_plan_test.cc has the table of all answers. A plan is a value without an owner. Thread-safe.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "model/layer_span.h"
#include "request/exit_setting.h"

namespace exeunt::worker {

// The use of the head for a row after its layer run_to.
enum class HeadUse : uint8_t {
  kNone,
  kDraw,     // draws the next token of the answer
  kScore,    // scores the prompt's next token
  kCompare,  // draws the next token and compares it with the row's draft
};

struct RowPlan {
  int16_t run_to = 0;   // layers
  int16_t fill_to = 0;  // layers, at least run_to
  HeadUse head = HeadUse::kNone;
  bool may_exit = false;

  // The plans of rows in a model of n layers.
  static constexpr RowPlan Prompt(int n) { return Make(n, n, HeadUse::kNone, false); }
  static constexpr RowPlan Live(int n) { return Make(n, n, HeadUse::kDraw, true); }
  static constexpr RowPlan Scored(int n) { return Make(n, n, HeadUse::kScore, false); }
  // The rest of the plan of a token that left after `layer` layers, by the mode of its request.
  static constexpr RowPlan Left(ExitMode mode, int layer, int n) {
    if (mode == ExitMode::kExact) return Make(n, n, HeadUse::kNone, false);
    if (mode == ExitMode::kVerify) return Make(n, n, HeadUse::kCompare, false);
    return Make(layer, n, HeadUse::kNone, false);
  }
  // The plan of a position that is replayed in mode propagate. Its token left after `layer` layers before.
  static constexpr RowPlan Replayed(int layer, int n) { return Make(layer, n, HeadUse::kNone, false); }

  // Returns whether a token of the answer is drawn from the row.
  constexpr bool Answers() const { return head == HeadUse::kDraw; }
  // Returns whether the head scores the prompt's next token with the row.
  constexpr bool Scores() const { return head == HeadUse::kScore; }
  // Returns whether the row may leave at an exit if its request allows one.
  constexpr bool MayExit() const { return may_exit; }
  // Returns whether the row goes to the head when it has run through `layers` layers, whatever the exits
  // decide.
  constexpr bool WantsHead(int layers) const { return head != HeadUse::kNone && layers == run_to; }
  // Returns whether the row runs through the segment. A checked plan ends inside no segment.
  constexpr bool RunsIn(LayerSpan segment) const { return run_to > segment.begin; }
  // Returns whether the segment only projects the row's K/V.
  constexpr bool FillsIn(LayerSpan segment) const {
    return run_to <= segment.begin && fill_to > segment.begin;
  }
  // Returns whether nothing is left to do for the row in layers from `layers` on.
  constexpr bool EndsAt(int layers) const { return fill_to <= layers; }

  friend constexpr bool operator==(const RowPlan&, const RowPlan&) = default;

 private:
  static constexpr RowPlan Make(int run_to, int fill_to, HeadUse head, bool may_exit) {
    return {static_cast<int16_t>(run_to), static_cast<int16_t>(fill_to), head, may_exit};
  }
};

// Checks a plan that came from outside against a model of n layers. The error names field, value and limit.
Status CheckPlan(const RowPlan& plan, int n_layers);

}  // namespace exeunt::worker
