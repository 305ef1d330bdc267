// Reads any text as a config.json and as the name of a tensor.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "model/hf_model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = exeunt::ParseHfConfig(text);
  if (config) CHECK(exeunt::ValidateConfig(*config).has_value());
  (void)exeunt::GgufNameOfHfTensor(text);
  return 0;
}
