// Reads tokenizer.json, as the `tokenizers` package writes it, into the parts of a TokenizerPipeline. Users
// of tokenizers only see tokenizer.h. Errors name the field, its value, and what is needed or known.
#pragma once

#include <boost/json/array.hpp>
#include <string_view>
#include <vector>

#include "base/json_fields.h"
#include "base/result.h"
#include "text/tokenizer_pipeline.h"

namespace exeunt::text {

// Reads all parts except bos, end_tokens, special_tokens and chat_template, which other files have. `added`
// has tokens that those files add to its own, as objects like its "added_tokens" (hf_special_tokens.h).
Result<TokenizerParts> ReadTokenizerJson(std::string_view text, const boost::json::array& added = {});

// The largest number of steps of each kind.
inline constexpr size_t kMaxTokenizerSteps = 32;

// Read the steps "normalizer", "pre_tokenizer" and "decoder" (tokenizer_json_steps.cc). A sequence of steps
// is flattened.
Status ReadNormalizer(const JsonFields& fields, Normalizers* normalizers);
Status ReadPreTokenizer(const JsonFields& fields, PreTokenizers* pre_tokenizers);
Status ReadDecoder(const JsonFields& fields, std::vector<DecoderStep>* steps);

}  // namespace exeunt::text
