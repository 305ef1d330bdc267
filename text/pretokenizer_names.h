// The pre-tokenizers that a GGUF file names in tokenizer.ggml.pre. The expressions are the ones of the
// models' own tokenizer.json files. Names are llama.cpp's.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/normalizer.h"
#include "text/pretokenizer.h"

namespace exeunt::text {

inline constexpr std::string_view kGpt2Expression =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

struct NamedPreTokenizer {
  Normalizers normalizers;
  PreTokenizers steps;         // ends with the mapping of bytes, unless raw
  bool ignore_merges = false;  // a piece that is a token is not split
  bool add_bos = false;        // unless tokenizer.ggml.add_bos_token says otherwise
  bool raw =
      false;  // tokens are UTF-8 with U+2581 for a space, and "<0x..>" for the bytes of what is no token
};

// InvalidArgument where `name` is unknown, Unimplemented where its models are not served.
Result<NamedPreTokenizer> MakeNamedPreTokenizer(std::string_view name);
// All that can be made, sorted.
std::vector<std::string_view> NamesOfPreTokenizers();

}  // namespace exeunt::text
