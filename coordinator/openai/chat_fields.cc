#include "coordinator/openai/chat_fields.h"

#include <fmt/format.h>

#include <boost/json.hpp>

namespace exeunt::coordinator {
namespace {

namespace json = boost::json;

// The variables that the server itself gives to the template.
constexpr std::string_view kOwn[] = {"messages", "chat_template", "tokenize"};

// Entries that are also fields replace these. All others are variables of the template.
void ReadKwargs(FieldReader* fields, text::ChatOptions* options) {
  const json::value* value = fields->Find("chat_template_kwargs");
  if (value == nullptr) return;
  if (!value->is_object()) return fields->FailAs("chat_template_kwargs", *value, "an object");
  FieldReader inner(value->get_object(), "chat_template_kwargs.");
  for (const std::string_view key : kOwn) {
    if (!value->get_object().contains(key)) continue;
    inner.Fail(
        key,
        fmt::format("'chat_template_kwargs' may not set '{}', which the server gives to the chat template",
                    key));
  }
  options->add_generation_prompt = inner.Bool("add_generation_prompt", options->add_generation_prompt);
  options->continue_final_message = inner.Bool("continue_final_message", options->continue_final_message);
  options->variables = value->get_object();
  options->variables.erase("add_generation_prompt");
  options->variables.erase("continue_final_message");
  if (!inner.ok()) fields->Fail("chat_template_kwargs", inner.error().message);
}

}  // namespace

text::ChatOptions ReadChatFields(FieldReader* fields, const json::array& messages) {
  text::ChatOptions options;
  options.add_generation_prompt = fields->Bool("add_generation_prompt", true);
  options.continue_final_message = fields->Bool("continue_final_message", false);
  ReadKwargs(fields, &options);
  if (!options.continue_final_message) return options;
  if (options.add_generation_prompt) {
    fields->Fail("continue_final_message",
                 "'continue_final_message' and 'add_generation_prompt' are both true; to continue the last "
                 "message, set "
                 "'add_generation_prompt' to false");
    return options;
  }
  const std::string_view last =
      messages.empty() ? "" : std::string_view(messages.back().at("role").as_string());
  if (last != "assistant") {
    fields->Fail(
        "continue_final_message",
        fmt::format(
            "'continue_final_message' continues a message of the role 'assistant'; the last one is of '{}'",
            last));
  }
  return options;
}

void RefuseChatFields(FieldReader* fields) {
  const json::value* kwargs = fields->Find("chat_template_kwargs");
  const bool has_kwargs = kwargs != nullptr && !(kwargs->is_object() && kwargs->get_object().empty());
  const std::string_view key = has_kwargs ? "chat_template_kwargs" : "continue_final_message";
  if (has_kwargs || fields->Bool("continue_final_message", false)) {
    fields->Fail(key, fmt::format("'{}' is for chats: there are no 'messages'", key),
                 "unsupported_parameter");
  }
}

}  // namespace exeunt::coordinator
