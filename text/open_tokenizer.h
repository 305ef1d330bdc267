// Opens the tokenizer of an opened model and compares it with the model's embedding.
#pragma once

#include <memory>

#include "base/result.h"
#include "model/model_source.h"
#include "text/tokenizer.h"

namespace exeunt::text {

// Errors are those of Tokenizer::FromGguf and FromHfDirectory.
Result<std::shared_ptr<const Tokenizer>> OpenTokenizer(const ModelSource& source);

}  // namespace exeunt::text
