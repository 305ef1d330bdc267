// Converts a sequence's specification to a protobuf message and back. The coordinator sends this message, and
// an `open` row carries it. Only this part of the stage's code uses protobuf.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "worker/core/sequence_spec.h"

namespace exeunt::proto {
class OpenSequence;
}

namespace exeunt::worker {

proto::OpenSequence ToProto(const SequenceSpec& spec);
// Errors are those of Validate.
Result<SequenceSpec> FromProto(const proto::OpenSequence& message, const SequenceLimits& limits);

// Returns the bytes of the message.
std::string SpecBytes(const SequenceSpec& spec);
Result<SequenceSpec> SpecFromBytes(std::span<const std::byte> bytes, const SequenceLimits& limits);

}  // namespace exeunt::worker
