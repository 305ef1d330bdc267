// A Frame is what one stage sends another. The host message has a versioned header, the row descriptors,
// which have a fixed size, and the specifications of `open` rows. A second message, the payload, has the
// hidden states of the state rows in the order of their descriptors. Numbers are little-endian.
// docs/protocol.md has the table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "worker/core/row.h"
#include "worker/core/sequence_spec.h"

namespace exeunt::worker {

struct Frame {
  uint64_t epoch = 0;
  uint64_t number = 0;  // number among this sender's frames, ascending
  std::vector<Row> rows;
  std::vector<SequenceSpec> opens;  // one per kOpen row, in order
  size_t state_rows() const;
};

inline constexpr size_t kMaxFrameRows = 8192;
// The limit of the prompt tokens of one frame's opens. A frame with a single open may have more. A token
// takes at most 5 bytes, so that a header stays far below kMaxHeaderBytes.
inline constexpr size_t kMaxFrameOpenTokens = size_t{1} << 18;

// Both functions replace the contents of their result and keep its memory.
void EncodeFrame(const Frame& frame, std::vector<std::byte>* out);
// Every value is bounded and checked before it is used. The error names field, value and limit.
Status DecodeFrame(std::span<const std::byte> bytes, const SequenceLimits& limits, Frame* frame);

}  // namespace exeunt::worker
