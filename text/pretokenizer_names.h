// Makes the pre-tokenizers that a GGUF file names in tokenizer.ggml.pre. The expressions are those of the
// models' own tokenizer.json files. The names are llama.cpp's.
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
  PreTokenizers steps;         // end with the mapping of bytes, unless raw
  bool ignore_merges = false;  // does not split a piece that is a token
  bool add_bos = false;        // default for tokenizer.ggml.add_bos_token
  bool raw = false;  // tokens are UTF-8 with U+2581 for a space and "<0x..>" for bytes without a token
};

// Returns InvalidArgument if `name` is unknown, and Unimplemented if its models are not supported.
Result<NamedPreTokenizer> MakeNamedPreTokenizer(std::string_view name);
// Returns all supported names, sorted.
std::vector<std::string_view> NamesOfPreTokenizers();

}  // namespace exeunt::text
