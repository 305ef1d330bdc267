// write_logits MODEL SEQUENCES OUT [--dequantise]: the logits [tokens][vocab] after every token of each line
// of token ids in SEQUENCES as F32, sequence by sequence, as bench/llama_driver.cc writes llama.cpp's. With
// --dequantise, no activation is rounded to 8 bits: every matrix is kept as F32.
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <numeric>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "tests/golden/golden.h"

namespace {

int Fail(const std::string& message) {
  std::cerr << "write_logits: " << message << '\n';
  return EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace exeunt;  // NOLINT(google-build-using-namespace): a program
  const std::span<char*> arguments(argv + 1, static_cast<size_t>(argc - 1));
  const bool dequantise = arguments.size() == 4 && std::string_view(arguments[3]) == "--dequantise";
  if (arguments.size() != 3 && !dequantise)
    return Fail("usage: write_logits MODEL SEQUENCES OUT [--dequantise]");
  auto source = ModelSource::Open(arguments[0]);
  if (!source) return Fail(source.error().message);
  Engine engine(*source, dequantise ? Weights::kF32 : Weights::kAsStored);
  std::ifstream sequences(arguments[1]);
  std::ofstream out(arguments[2], std::ios::binary);
  for (std::string line; std::getline(sequences, line);) {
    std::istringstream ids(line);
    std::vector<int32_t> tokens;
    for (int32_t id = 0; ids >> id;) tokens.push_back(id);
    std::vector<int> positions(tokens.size());
    std::iota(positions.begin(), positions.end(), 0);
    for (const std::vector<float>& logits : engine.Logits(tokens, positions)) {
      out.write(reinterpret_cast<const char*>(logits.data()),
                static_cast<std::streamsize>(logits.size() * sizeof(float)));
    }
  }
  return out.flush() ? EXIT_SUCCESS : Fail(std::string("cannot write ") + arguments[2]);
}
