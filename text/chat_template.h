// ChatTemplate: renders a conversation with a Jinja template, as transformers' environment does. What is not
// there (docs/operations.md, Chat templates) is an error that names line and construct. Immutable;
// thread-safe. Rendering is bounded in output size and in steps.
#pragma once

#include <boost/json/fwd.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace exeunt::text {

class ChatTemplate {
 public:
  static Result<std::shared_ptr<const ChatTemplate>> Parse(std::string_view source);
  // Parse of a file, which errors name.
  static Result<std::shared_ptr<const ChatTemplate>> FromFile(const std::string& path);
  virtual ~ChatTemplate() = default;
  // `variables` holds messages, add_generation_prompt, bos_token, eos_token, tools, ... as JSON.
  // raise_exception() in the template and unknown names that it calls give InvalidArgument.
  virtual Result<std::string> Render(const boost::json::object& variables) const = 0;
};

}  // namespace exeunt::text
