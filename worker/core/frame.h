// Frame: what one stage sends another. A versioned header, fixed-size row descriptors and what `open` rows
// carry (one host message), and one payload of hidden states in descriptor order (its own message, in the
// backend's memory). Little-endian. docs/protocol.md has the table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "worker/core/sequence_spec.h"

namespace exeunt {

enum class RowKind : uint8_t {
  kLive,      // layers, exits, head
  kPrompt,    // layers only; never exits
  kFill,      // K/V projection only, from the state of a token that left at exit_layer
  kHeadless,  // layers only (mode exact)
  kVerify,    // layers, and the head at the last stage (mode verify)
  kOpen,      // in-band, without a state from here on
  kClose,     // it is over; K/V of its first `position` tokens stays
  kCancel,    // the same, and scores are not wanted either
  kRollback,  // keep positions below `position`, under a new generation
  kToken,     // to stage 0: `token` was generated for `position`
  kEvict,     // what the sequence left behind is not wanted any more
};

constexpr bool HasState(RowKind kind) { return kind <= RowKind::kVerify; }

// FrameRow::flags
inline constexpr uint8_t kWantLogits = 1;
inline constexpr uint8_t kWantScore = 2;  // of a prompt row: how likely the prompt's next token is

struct FrameRow {
  uint64_t sequence = 0;
  uint32_t generation = 0;
  int32_t position = 0;
  int32_t token = -1;
  int16_t exit_layer = 0;  // layers run, where it is known; 0: not yet
  RowKind kind = RowKind::kLive;
  uint8_t flags = 0;
};

struct Frame {
  uint64_t epoch = 0;
  uint64_t number = 0;  // of this sender, ascending
  std::vector<FrameRow> rows;
  std::vector<SequenceSpec> opens;  // one per kOpen row, in order
  size_t state_rows() const;
};

inline constexpr size_t kMaxFrameRows = 8192;
// Tokens in the prompts of one frame's opens, unless one prompt alone has more: at most 5 bytes each, far
// below kMaxHeaderBytes.
inline constexpr size_t kMaxFrameOpenTokens = size_t{1} << 18;

// Both replace what was in their result, and keep its memory.
void EncodeFrame(const Frame& frame, std::vector<std::byte>* out);
// Everything is bounded and checked before it is used; the error names field, value and limit.
Status DecodeFrame(std::span<const std::byte> bytes, const SequenceLimits& limits, Frame* frame);

}  // namespace exeunt
