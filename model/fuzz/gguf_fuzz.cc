// Parses any bytes as a GGUF file and, if that succeeds, reads it as a model.
#include <cstddef>
#include <cstdint>
#include <span>

#include "model/gguf.h"
#include "model/gguf_model.h"
#include "model/model_parts.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto gguf = exeunt::ParseGguf(std::as_bytes(std::span(data, size)), "fuzz");
  if (!gguf) return 0;
  unsigned sum = 0;
  for (const exeunt::TensorView& tensor : gguf->tensors.all()) {
    for (const std::byte b : tensor.bytes) sum += static_cast<unsigned>(b);  // every byte is inside the file
  }
  const auto config = exeunt::GgufModelConfig(*gguf);
  if (config && exeunt::ValidateTensors(*config, gguf->tensors)) sum += 1;
  asm volatile("" : : "r"(sum));  // keeps the reads
  return 0;
}
