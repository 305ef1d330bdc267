// Reads any bytes as a .safetensors file.
#include <cstddef>
#include <cstdint>
#include <span>

#include "model/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto tensors = exeunt::ParseSafetensors(std::as_bytes(std::span(data, size)), "fuzz");
  if (!tensors) return 0;
  unsigned sum = 0;
  for (const exeunt::TensorView& tensor : tensors->all()) {
    for (const std::byte b : tensor.bytes) sum += static_cast<unsigned>(b);  // every byte is inside the file
  }
  asm volatile("" : : "r"(sum));  // keeps the reads
  return 0;
}
