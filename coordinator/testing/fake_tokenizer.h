// A tokenizer for tests: a token is a byte; 256 is "<|end|>" (ends generation), 257 is "<|begin|>".
#pragma once

#include <memory>

#include "text/tokenizer.h"

namespace exeunt {

inline constexpr int32_t kFakeEnd = 256;
inline constexpr int32_t kFakeBegin = 257;

// Each message as "<|begin|>role:content" and a newline, then "assistant:".
ChatTemplateText FakeChatTemplate();
std::shared_ptr<const Tokenizer> MakeFakeTokenizer(ChatTemplateText chat_template = FakeChatTemplate());

}  // namespace exeunt
