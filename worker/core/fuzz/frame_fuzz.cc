// Feeds any bytes to DecodeFrame. It must refuse or accept, and never crash. What it accepts must survive
// another round unchanged.
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "worker/core/frame.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const exeunt::worker::SequenceLimits limits{{4096, 1000, 30}, 32};
  exeunt::worker::Frame frame;
  if (!exeunt::worker::DecodeFrame({reinterpret_cast<const std::byte*>(data), size}, limits, &frame))
    return 0;
  std::vector<std::byte> bytes;
  exeunt::worker::EncodeFrame(frame, &bytes);
  exeunt::worker::Frame again;
  CHECK(exeunt::worker::DecodeFrame(bytes, limits, &again).has_value());
  std::vector<std::byte> bytes_again;
  exeunt::worker::EncodeFrame(again, &bytes_again);
  CHECK(bytes_again == bytes);
  return 0;
}
