// ChatTemplate: renders a conversation with the model's own Jinja template. The subset of Jinja is what the
// templates of SmolLM2, Llama 2 and 3, Mistral, Qwen, Zephyr and Gemma use; anything outside it is an error
// naming line and construct.
// Immutable; thread-safe. Rendering is bounded in output size and in steps.
#pragma once

#include <boost/json/fwd.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace exeunt {

class ChatTemplate {
 public:
  static Result<std::shared_ptr<const ChatTemplate>> Parse(std::string_view source);
  virtual ~ChatTemplate() = default;
  // `variables` holds messages, add_generation_prompt, bos_token, eos_token, tools, ... as JSON.
  // raise_exception() in the template and unknown names that it calls give InvalidArgument.
  virtual Result<std::string> Render(const boost::json::object& variables) const = 0;
};

}  // namespace exeunt
