// `prompt` and `messages` of a request.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "coordinator/openai/generation_request.h"

namespace exeunt {
namespace {

namespace json = boost::json;

ApiResult<PromptInput> ParseTokens(const json::array& array, int vocab_size) {
  std::vector<int32_t> tokens;
  tokens.reserve(array.size());
  for (const json::value& element : array) {
    boost::system::error_code error;
    const auto token = element.to_number<int32_t>(error);
    if (error || token < 0 || token >= vocab_size) {
      return BadRequest("prompt",
                        fmt::format("token ids of 'prompt' must be integers in [0, {})", vocab_size));
    }
    tokens.push_back(token);
  }
  return PromptInput(std::move(tokens));
}

ApiResult<std::string> ParseContent(const json::value* content, size_t index) {
  const std::string param = fmt::format("messages[{}].content", index);
  if (content == nullptr || content->is_null()) return std::string();
  if (content->is_string()) return std::string(content->get_string());
  if (!content->is_array())
    return BadRequest(param, fmt::format("'{}' must be a string or a list of parts", param));
  std::string text;
  for (const json::value& part : content->get_array()) {
    const json::object* object = part.if_object();
    const json::value* type = object == nullptr ? nullptr : object->if_contains("type");
    if (type == nullptr || !type->is_string())
      return BadRequest(param, fmt::format("a part of '{}' has no type", param));
    if (type->get_string() != "text") {
      return BadRequest(param,
                        fmt::format("a part of '{}' has type '{}'; only 'text' is built", param,
                                    std::string_view(type->get_string())),
                        "unsupported_value");
    }
    const json::value* part_text = object->if_contains("text");
    if (part_text == nullptr || !part_text->is_string()) {
      return BadRequest(param, fmt::format("a part of '{}' has no text", param));
    }
    text += std::string_view(part_text->get_string());
  }
  return text;
}

ApiResult<json::object> ParseMessage(const json::value& element, size_t index) {
  const std::string param = fmt::format("messages[{}]", index);
  const json::object* object = element.if_object();
  if (object == nullptr) return BadRequest(param, fmt::format("'{}' must be an object", param));
  const json::value* role = object->if_contains("role");
  if (role == nullptr || !role->is_string()) {
    return BadRequest(param + ".role", fmt::format("'{}.role' must be a string", param));
  }
  std::string_view name = role->get_string();
  if (name == "developer") name = "system";  // OpenAI's newer name; templates know the older
  if (name != "system" && name != "user" && name != "assistant") {
    return BadRequest(param + ".role",
                      fmt::format("role '{}' is not built; there are system, user, assistant", name),
                      "unsupported_value");
  }
  for (const char* key : {"tool_calls", "function_call"}) {
    const json::value* calls = object->if_contains(key);
    if (calls == nullptr || calls->is_null() || (calls->is_array() && calls->get_array().empty())) continue;
    return BadRequest(fmt::format("{}.{}", param, key),
                      fmt::format("'{}.{}' is not built in this server", param, key),
                      "unsupported_parameter");
  }
  auto content = ParseContent(object->if_contains("content"), index);
  if (!content) return content.error();
  return json::object{{"role", name}, {"content", *content}};
}

}  // namespace

ApiResult<std::vector<PromptInput>> ParsePrompts(const json::value* value, int vocab_size) {
  std::vector<PromptInput> prompts;
  if (value == nullptr || value->is_null()) return BadRequest("prompt", "'prompt' is missing");
  if (value->is_string()) {
    prompts.emplace_back(std::string(value->get_string()));
    return prompts;
  }
  if (!value->is_array() || value->get_array().empty()) {
    return BadRequest("prompt", "'prompt' must be a string, token ids, or a list of either, and not empty");
  }
  const json::array& array = value->get_array();
  if (array.front().is_number()) {
    auto tokens = ParseTokens(array, vocab_size);
    if (!tokens) return tokens.error();
    prompts.push_back(std::move(*tokens));
    return prompts;
  }
  for (const json::value& element : array) {
    if (element.is_string()) {
      prompts.emplace_back(std::string(element.get_string()));
    } else if (element.is_array()) {
      auto tokens = ParseTokens(element.get_array(), vocab_size);
      if (!tokens) return tokens.error();
      prompts.push_back(std::move(*tokens));
    } else {
      return BadRequest("prompt", "'prompt' must be a string, token ids, or a list of either");
    }
  }
  return prompts;
}

ApiResult<json::array> ParseMessages(const json::value* value) {
  if (value == nullptr || !value->is_array() || value->get_array().empty()) {
    return BadRequest("messages", "'messages' must be a list of messages, and not empty");
  }
  json::array messages;
  for (const json::value& element : value->get_array()) {
    auto message = ParseMessage(element, messages.size());
    if (!message) return message.error();
    messages.push_back(std::move(*message));
  }
  return messages;
}

}  // namespace exeunt
