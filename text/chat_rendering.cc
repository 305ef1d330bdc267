#include "text/chat_rendering.h"

#include <boost/json.hpp>

#include "base/error.h"
#include "text/jinja/python_text.h"

namespace exeunt::text {
namespace {

// Marks the end of the last message in the rendered text. The text is transformers' own, as templates know
// it.
constexpr std::string_view kTag = "CONTINUE_FINAL_MESSAGE_TAG ";
constexpr std::string_view kTagTrimmed = kTag.substr(0, kTag.size() - 1);

Result<boost::json::array> Tagged(const boost::json::array& messages) {
  boost::json::array tagged = messages;
  boost::json::object* last = tagged.empty() ? nullptr : tagged.back().if_object();
  boost::json::value* content = last == nullptr ? nullptr : last->if_contains("content");
  if (content == nullptr || !content->is_string())
    return InvalidArgument("continue_final_message: the last message has no text to continue");
  content->get_string().append(kTag);
  return tagged;
}

// Returns the text up to the tag. If the template trimmed the message, the white space before the tag is
// removed.
Result<std::string> UpToTag(const std::string& text, std::string_view message) {
  const std::string_view trimmed = jinja::StripRight(jinja::StripLeft(message, ""), "");
  const size_t at = text.rfind(kTagTrimmed);
  if (at == std::string::npos || text.find(trimmed) == std::string::npos) {
    return InvalidArgument(
        "continue_final_message: the chat template does not write the last message as it is, so it cannot be "
        "continued");
  }
  const std::string_view before = std::string_view(text).substr(0, at);
  const bool trims = text.compare(at, kTag.size(), kTag) != 0;
  std::string kept(trims ? jinja::StripRight(before, "") : before);
  // A template may write the last message more than once.
  for (const std::string_view tag : {kTag, kTagTrimmed}) {
    for (size_t found = kept.find(tag); found != std::string::npos; found = kept.find(tag, found)) {
      kept.erase(found, tag.size());
    }
  }
  return kept;
}

}  // namespace

Result<std::string> RenderChat(const ChatTemplate& chat_template, const boost::json::array& messages,
                               const SpecialTokens& special_tokens, const ChatOptions& options) {
  boost::json::object variables{{"messages", messages},
                                {"tools", nullptr},
                                {"documents", nullptr},
                                {"add_generation_prompt", options.add_generation_prompt}};
  for (const auto& [name, text] : special_tokens.named) variables.insert_or_assign(name, text);
  if (!special_tokens.additional.empty()) {
    variables["additional_special_tokens"] = boost::json::value_from(special_tokens.additional);
  }
  for (const auto& variable : options.variables) variables.insert_or_assign(variable.key(), variable.value());
  if (!options.continue_final_message) return chat_template.Render(variables);
  ASSIGN_OR_RETURN(variables["messages"], Tagged(messages));
  ASSIGN_OR_RETURN(const std::string text, chat_template.Render(variables));
  return UpToTag(text, messages.back().at("content").as_string());
}

}  // namespace exeunt::text
