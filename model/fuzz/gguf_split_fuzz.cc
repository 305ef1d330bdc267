// Reads any bytes as a split GGUF model of two parts. The bytes are a u32 with the first part's size, then
// both parts. The parts are files, because OpenGgufFiles takes files.
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "model/gguf_model.h"
#include "model/gguf_split.h"

namespace {

const std::string& Prefix() {
  static const std::string prefix = [] {
    std::string folder =
        access("/dev/shm", W_OK) == 0 ? "/dev/shm/gguf_split_XXXXXX" : "/tmp/gguf_split_XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) std::abort();
    return folder + "/m";
  }();
  return prefix;
}

void Write(const std::string& path, const uint8_t* data, size_t size) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  uint32_t first = 0;
  if (size < sizeof(first)) return 0;
  std::memcpy(&first, data, sizeof(first));
  data += sizeof(first);
  size -= sizeof(first);
  const size_t cut = std::min<size_t>(first, size);
  const std::string path = Prefix() + "-00001-of-00002.gguf";
  Write(path, data, cut);
  Write(Prefix() + "-00002-of-00002.gguf", data + cut, size - cut);
  const auto files = exeunt::OpenGgufFiles(path);
  if (!files) return 0;
  unsigned sum = 0;
  for (const exeunt::TensorView& tensor : files->contents.tensors.all()) {
    for (const std::byte b : tensor.bytes) sum += static_cast<unsigned>(b);  // every byte is inside a file
  }
  asm volatile("" : : "r"(sum));  // keeps the reads
  return 0;
}
