#include "worker/core/sequence_message.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"
#include "transport/request_message.h"

namespace exeunt::worker {
namespace {

// A number that is too large stays too large.
int IntOf(uint32_t number) {
  return static_cast<int>(std::min(number, static_cast<uint32_t>(std::numeric_limits<int>::max())));
}

}  // namespace

proto::OpenSequence ToProto(const SequenceSpec& spec) {
  proto::OpenSequence m;
  transport::ToProto(spec, &m);
  m.set_sequence(spec.sequence);
  m.set_prefix_of(spec.prefix_of);
  m.set_prefix_tokens(static_cast<uint32_t>(spec.prefix_tokens));
  m.set_retain_tokens(static_cast<uint32_t>(spec.retain_tokens));
  return m;
}

Result<SequenceSpec> FromProto(const proto::OpenSequence& m, const SequenceLimits& limits) {
  SequenceSpec spec{transport::RequestFromProto(m)};
  spec.sequence = m.sequence();
  spec.prefix_of = m.prefix_of();
  spec.prefix_tokens = IntOf(m.prefix_tokens());
  spec.retain_tokens = IntOf(m.retain_tokens());
  RETURN_IF_ERROR(Validate(spec, limits));
  return spec;
}

std::string SpecBytes(const SequenceSpec& spec) { return ToProto(spec).SerializeAsString(); }

Result<SequenceSpec> SpecFromBytes(std::span<const std::byte> bytes, const SequenceLimits& limits) {
  proto::OpenSequence message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return DataLoss("frame: open does not parse");
  return FromProto(message, limits);
}

}  // namespace exeunt::worker
