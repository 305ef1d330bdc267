// tokenizer.json, as the `tokenizers` package writes it, as the parts of a TokenizerPipeline. Not for users
// of tokenizers: they see tokenizer.h. Errors name the field, its value, and what is needed or known.
#pragma once

#include <boost/json/array.hpp>
#include <string_view>
#include <vector>

#include "base/json_fields.h"
#include "base/result.h"
#include "text/tokenizer_pipeline.h"

namespace exeunt::text {

// All but bos, end_tokens, special_tokens and chat_template, which other files hold. `added`: tokens that
// those files add to its own, as objects like its "added_tokens" (hf_special_tokens.h).
Result<TokenizerParts> ReadTokenizerJson(std::string_view text, const boost::json::array& added = {});

// At most this many steps of each kind.
inline constexpr size_t kMaxTokenizerSteps = 32;

// The steps "normalizer", "pre_tokenizer" and "decoder" (tokenizer_json_steps.cc); a sequence of steps is
// flattened.
Status ReadNormalizer(const JsonFields& fields, Normalizers* normalizers);
Status ReadPreTokenizer(const JsonFields& fields, PreTokenizers* pre_tokenizers);
Status ReadDecoder(const JsonFields& fields, std::vector<DecoderStep>* steps);

}  // namespace exeunt::text
