// The chat template that conversations are rendered with: the model's own, or one that the operator gives.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace exeunt::coordinator {

struct ServedChat {
  std::shared_ptr<const text::ChatTemplate> chat_template;  // null: chats are refused
  std::string problem;                                      // why; "": they are not
  bool is_broken = false;                                   // the model has a template, and it cannot be used
  text::SpecialTokens special_tokens;                       // that the template may name
};

// With `file` "", the model's own template: one that is missing, or that cannot be parsed, leaves a
// `problem`. Errors: `file` cannot be read or parsed.
Result<ServedChat> LoadChat(const text::Tokenizer& tokenizer, const std::string& file);

}  // namespace exeunt::coordinator
