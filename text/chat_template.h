// ChatTemplate renders a conversation with a Jinja template, like transformers' environment. An unsupported
// construct (docs/operations.md, Chat templates) is an error that names line and construct. Immutable.
// Thread-safe. Rendering is bounded in output size and in steps.
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
  // Parses a file. Errors name the file.
  static Result<std::shared_ptr<const ChatTemplate>> FromFile(const std::string& path);
  virtual ~ChatTemplate() = default;
  // `variables` has messages, add_generation_prompt, bos_token, eos_token, tools, ... as JSON.
  // InvalidArgument is returned for raise_exception() in the template and for calls of unknown names.
  virtual Result<std::string> Render(const boost::json::object& variables) const = 0;
};

}  // namespace exeunt::text
