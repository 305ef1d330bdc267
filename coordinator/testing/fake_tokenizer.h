// A tokenizer for tests: a token is a byte; 256 is "<|end|>" (ends generation), 257 is "<|begin|>".
#pragma once

#include <memory>

#include "model/tokenizer.h"

namespace exeunt {

inline constexpr int32_t kFakeEnd = 256;
inline constexpr int32_t kFakeBegin = 257;

// Its chat template writes "<|begin|>role:content\n" for each message, then "assistant:".
std::shared_ptr<const Tokenizer> MakeFakeTokenizer();

}  // namespace exeunt
