// `prompt` and `messages` of a request.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "coordinator/openai/generation_request.h"
#include "coordinator/openai/json_text.h"
#include "coordinator/openai/peer_fields.h"

namespace exeunt::coordinator {
namespace {

namespace json = boost::json;

ApiResult<PromptInput> ParseTokens(const json::array& array, int vocab_size) {
  std::vector<int32_t> tokens;
  tokens.reserve(array.size());
  for (const json::value& element : array) {
    boost::system::error_code error;
    const auto token = element.to_number<int32_t>(error);
    if (error || token < 0 || token >= vocab_size) {
      return BadRequest("prompt", fmt::format("token id {} of 'prompt' must be an integer in [0, {})",
                                              JsonExcerpt(element), vocab_size));
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
    return BadRequest(param, fmt::format("'{}' is {}, it must be a string or a list of parts", param,
                                         JsonExcerpt(*content)));
  std::string text;
  for (const json::value& part : content->get_array()) {
    const json::object* object = part.if_object();
    const json::value* type = object == nullptr ? nullptr : object->if_contains("type");
    if (type == nullptr || !type->is_string())
      return BadRequest(
          param, fmt::format(
                     "the part {} of '{}' has no type; it must be like {{\"type\": \"text\", \"text\": ...}}",
                     JsonExcerpt(part), param));
    if (type->get_string() != "text") {
      return BadRequest(param,
                        fmt::format("a part of '{}' has type '{}'; only 'text' is built", param,
                                    Excerpt(type->get_string())),
                        "unsupported_value");
    }
    const json::value* part_text = object->if_contains("text");
    if (part_text == nullptr || !part_text->is_string()) {
      return BadRequest(param, fmt::format("the part {} of '{}' must have a 'text', which is a string",
                                           JsonExcerpt(part), param));
    }
    text += std::string_view(part_text->get_string());
  }
  return text;
}

ApiResult<json::object> ParseMessage(const json::value& element, size_t index) {
  const std::string param = fmt::format("messages[{}]", index);
  const json::object* object = element.if_object();
  if (object == nullptr)
    return BadRequest(param, fmt::format("'{}' is {}, it must be an object", param, JsonExcerpt(element)));
  const json::value* role = object->if_contains("role");
  if (role == nullptr || !role->is_string()) {
    return BadRequest(param + ".role",
                      fmt::format("'{}.role' is {}, it must be system, developer, user or assistant", param,
                                  role == nullptr ? "missing" : JsonExcerpt(*role)));
  }
  std::string_view name = role->get_string();
  if (name == "developer") name = "system";  // OpenAI's newer name; templates know the older one
  if (name != "system" && name != "user" && name != "assistant") {
    return BadRequest(
        param + ".role",
        fmt::format("role '{}' is not built; there are system, developer, user, assistant", Excerpt(name)),
        "unsupported_value");
  }
  FieldReader fields(*object, param + ".");
  RefusePeerFields(MessagePeerFields(), &fields);
  auto content = ParseContent(object->if_contains("content"), index);
  if (!content) return content.error();
  json::object message{{"role", name}, {"content", *content}};
  // Templates may read these.
  for (const char* key : {"name", "reasoning", "reasoning_content"}) {
    if (auto text = fields.String(key)) message[key] = *text;
  }
  if (!fields.ok()) return fields.error();
  return message;
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
    return BadRequest(
        "prompt",
        fmt::format("'prompt' is {}, it must be a string, token ids, or a list of either, and not empty",
                    JsonExcerpt(*value)));
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
      return BadRequest("prompt", fmt::format("{} of 'prompt' must be a string or a list of token ids",
                                              JsonExcerpt(element)));
    }
  }
  return prompts;
}

ApiResult<json::array> ParseMessages(const json::value* value) {
  if (value == nullptr || !value->is_array() || value->get_array().empty()) {
    return BadRequest("messages",
                      fmt::format("'messages' is {}, it must be a list of messages, and not empty",
                                  value == nullptr ? "missing" : JsonExcerpt(*value)));
  }
  json::array messages;
  for (const json::value& element : value->get_array()) {
    auto message = ParseMessage(element, messages.size());
    if (!message) return message.error();
    messages.push_back(std::move(*message));
  }
  return messages;
}

}  // namespace exeunt::coordinator
