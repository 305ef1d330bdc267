// Feeds any bytes of a stranger to the control port's framer. It must cut them into messages within the
// limit, for any cuts of the stream.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "transport/control_framing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t chunk = 1 + data[0];
  const std::string_view stream(reinterpret_cast<const char*>(data + 1), size - 1);
  exeunt::transport::ControlFramer framer(exeunt::transport::kMaxHandshakeMessageBytes);
  for (size_t at = 0; at < stream.size(); at += chunk) {
    framer.Append(stream.substr(at, chunk));
    while (true) {
      const auto next = framer.Next();
      if (!next) return 0;
      if (!next->has_value()) break;
      CHECK((*next)->size() <= exeunt::transport::kMaxHandshakeMessageBytes);
      exeunt::proto::ToCoordinator message;
      if (!message.ParseFromString(**next)) break;
    }
  }
  return 0;
}
