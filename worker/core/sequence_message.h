// A sequence's specification as a protobuf message: as the coordinator sends it, and as an `open` row carries
// it. The one place where the stage's code knows protobuf.
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
// Errors are Validate's.
Result<SequenceSpec> FromProto(const proto::OpenSequence& message, const SequenceLimits& limits);

// The message's bytes.
std::string SpecBytes(const SequenceSpec& spec);
Result<SequenceSpec> SpecFromBytes(std::span<const std::byte> bytes, const SequenceLimits& limits);

}  // namespace exeunt::worker
