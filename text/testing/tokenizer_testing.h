// For tests of tokenizers: the committed corpus and what the `tokenizers` package made of it
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

// text/testdata/tokenizer/`name`.
std::string TokenizerTestdata(const std::string& name);
std::string ReadGzip(const std::string& path);

// The corpus, line by line; some lines are ill-formed UTF-8, some hold newlines.
std::vector<std::string> TokenizerCorpus();

struct TokenizerDigest {
  uint32_t ids = 0;
  uint32_t text = 0;
};
// One a line of the corpus. Of `ids_only` files, `text` is 0.
std::vector<TokenizerDigest> TokenizerDigests(const std::string& name, bool ids_only);

// FNV-1a, 32 bits.
uint32_t Fnv(std::string_view bytes);
uint32_t FnvOfIds(const std::vector<int32_t>& ids);

// The tokenizer of the default model, as its GGUF file has it.
GgufMetadata SmolLm2Metadata();
// tokenizer.json of testdata, and its tokens by id.
boost::json::value ReadTokenizerJson(const std::string& name);
std::vector<std::string> TokensOf(const boost::json::value& json);
// A BPE tokenizer.json of testdata as a GGUF file would hold it.
GgufMetadata GgufOfTokenizerJson(const std::string& name, const std::string& pre);
// That one for "smollm2", else the tokenizer.json of that name.
std::shared_ptr<const Tokenizer> LoadTestTokenizer(const std::string& name);

}  // namespace exeunt::text
