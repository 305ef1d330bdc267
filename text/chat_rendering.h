// RenderChat turns a conversation into the text that the model continues, as transformers'
// apply_chat_template does.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>

#include "base/result.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace exeunt::text {

struct ChatOptions {
  bool add_generation_prompt = true;  // whether the text ends where the assistant's answer begins
  bool continue_final_message =
      false;  // whether the text ends with the last message, which the model continues
  // Further variables of the template; they replace those of the same name.
  boost::json::object variables = {};
};

// The template gets `messages`, `tools` and `documents` (none), `add_generation_prompt`, the special tokens
// by their names ("bos_token") and the options' variables. Errors name the template's line, or what
// continue_final_message needs.
Result<std::string> RenderChat(const ChatTemplate& chat_template, const boost::json::array& messages,
                               const SpecialTokens& special_tokens, const ChatOptions& options);

}  // namespace exeunt::text
