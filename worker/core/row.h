// Rows are what the FIFO between stages carries, in order. A state row is one position of a sequence that
// passes through layers. Its hidden state travels beside it. A control row changes the state of a sequence
// and has no hidden state. Both are plain values.
#pragma once

#include <cstdint>
#include <variant>

#include "worker/core/row_plan.h"

namespace exeunt::worker {

struct StateRow {
  uint64_t sequence = 0;
  uint32_t generation = 0;
  int32_t position = 0;
  int32_t token = -1;  // input token
  int32_t draft = -1;  // token that HeadUse::kCompare compares with; -1 for every other use
  RowPlan plan;
  bool want_logits = false;  // whether the token's logits are reported
};

enum class ControlKind : uint8_t {
  kOpen = 1,  // the sequence begins; the frame has its SequenceSpec
  kClose,     // the sequence is over; the K/V of its first `position` tokens stays
  kCancel,    // like kClose, but its scores are dropped
  kRollback,  // positions below `position` stay, under the new generation
  kToken,     // `token` was generated for `position`; sent to stage 0
  kEvict,     // the retained prefix of the sequence is freed
};

struct ControlRow {
  ControlKind kind = ControlKind::kOpen;
  uint64_t sequence = 0;
  uint32_t generation = 0;
  int32_t position = 0;
  // The token of kToken. For kRollback it is the corrected token for `position`, or -1 if there is none.
  int32_t token = -1;
  int16_t exit_layer = 0;  // layers that ran before `token` was drawn; 0 without a token
};

using Row = std::variant<StateRow, ControlRow>;

}  // namespace exeunt::worker
