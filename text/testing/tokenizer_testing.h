// Helps tests of tokenizers. It reads the committed corpus and the `tokenizers` package's results for it
// (testdata/make_tokenizer_goldens.py). A missing or broken file fails a CHECK.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/gguf_value.h"
#include "text/tokenizer.h"

namespace exeunt::text {

// Returns the path of text/testdata/tokenizer/`name`.
std::string TokenizerTestdata(const std::string& name);
std::string ReadGzip(const std::string& path);

// Returns the lines of the corpus. Some lines are ill-formed UTF-8, and some have newlines.
std::vector<std::string> TokenizerCorpus();

struct TokenizerDigest {
  uint32_t ids = 0;
  uint32_t text = 0;
};
// Returns one digest per line of the corpus. In `ids_only` files `text` is 0.
std::vector<TokenizerDigest> TokenizerDigests(const std::string& name, bool ids_only);

// FNV-1a, 32 bits.
uint32_t Fnv(std::string_view bytes);
uint32_t FnvOfIds(const std::vector<int32_t>& ids);

// Returns the tokenizer of the default model from its GGUF file.
GgufMetadata SmolLm2Metadata();
// Reads a tokenizer.json of testdata.
boost::json::value ReadTokenizerJson(const std::string& name);
std::vector<std::string> TokensOf(const boost::json::value& json);
// Returns a BPE tokenizer.json of testdata in the form of a GGUF file.
GgufMetadata GgufOfTokenizerJson(const std::string& name, const std::string& pre);
// Loads the GGUF tokenizer for "smollm2", else the tokenizer.json of that name.
std::shared_ptr<const Tokenizer> LoadTestTokenizer(const std::string& name);

}  // namespace exeunt::text
