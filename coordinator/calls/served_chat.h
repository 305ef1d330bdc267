// The chat template for conversations. It is the model's own or one that the operator gives.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace exeunt::coordinator {

struct ServedChat {
  std::shared_ptr<const text::ChatTemplate> chat_template;  // null if chats are refused
  std::string problem;                 // reason why chats are refused; "" if they are not
  bool is_broken = false;              // whether the model has a template that cannot be used
  text::SpecialTokens special_tokens;  // tokens that the template may name
};

// If `file` is "", loads the model's own template. If that is missing or cannot be parsed, `problem` is set.
// It is an error if `file` cannot be read or parsed.
Result<ServedChat> LoadChat(const text::Tokenizer& tokenizer, const std::string& file);

}  // namespace exeunt::coordinator
