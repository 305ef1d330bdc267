// A tokenizer for tests. A token is a byte. 256 is "<|end|>", which ends generation, and 257 is "<|begin|>".
#pragma once

#include <memory>

#include "text/tokenizer.h"

namespace exeunt::coordinator {

inline constexpr int32_t kFakeEnd = 256;
inline constexpr int32_t kFakeBegin = 257;

// Renders each message as "<|begin|>role:content" and a newline, then "assistant:".
text::ChatTemplateText FakeChatTemplate();
std::shared_ptr<const text::Tokenizer> MakeFakeTokenizer(
    text::ChatTemplateText chat_template = FakeChatTemplate());

}  // namespace exeunt::coordinator
