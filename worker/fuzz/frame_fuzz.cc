// DecodeFrame on arbitrary bytes: it must refuse or accept, never crash; what it accepts survives another
// round.
#include <cstdint>

#include "base/check.h"
#include "worker/frame.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const exeunt::SequenceLimits limits{4096, 1000, 30};
  const auto frame = exeunt::DecodeFrame({reinterpret_cast<const std::byte*>(data), size}, limits);
  if (!frame.has_value()) return 0;
  const auto again = exeunt::DecodeFrame(exeunt::EncodeFrame(frame.value()), limits);
  CHECK(again.has_value());
  CHECK_EQ(again->rows.size(), frame->rows.size());
  return 0;
}
