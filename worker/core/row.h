// Rows: what the FIFO between stages carries, in order. A state row is one position of a sequence that
// passes through layers; its hidden state travels beside it. A control row tells what becomes of a sequence;
// it has no state. Both are plain values.
#pragma once

#include <cstdint>
#include <variant>

#include "worker/core/row_plan.h"

namespace exeunt::worker {

struct StateRow {
  uint64_t sequence = 0;
  uint32_t generation = 0;
  int32_t position = 0;
  int32_t token = -1;  // the row's input
  int32_t draft = -1;  // the token that HeadUse::kCompare compares with; -1 for every other use
  RowPlan plan;
  bool want_logits = false;  // the token's logits go out with it
};

enum class ControlKind : uint8_t {
  kOpen = 1,  // the sequence begins; the frame has its SequenceSpec
  kClose,     // it is over; the K/V of its first `position` tokens stays
  kCancel,    // as kClose, and its scores are dropped
  kRollback,  // positions below `position` stay, under the new generation
  kToken,     // to stage 0: `token` was generated for `position`
  kEvict,     // what the sequence left behind is dropped
};

struct ControlRow {
  ControlKind kind = ControlKind::kOpen;
  uint64_t sequence = 0;
  uint32_t generation = 0;
  int32_t position = 0;
  int32_t token = -1;      // of kToken; of kRollback the corrected token for `position`, -1: there is none
  int16_t exit_layer = 0;  // layers that ran before `token` was drawn; 0: there is no token
};

using Row = std::variant<StateRow, ControlRow>;

}  // namespace exeunt::worker
