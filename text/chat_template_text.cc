#include "text/chat_template_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/mmap.h"

namespace exeunt::text {
namespace {

constexpr size_t kMaxBytes = size_t{64} << 20;
constexpr std::string_view kGgufKey = "tokenizer.chat_template";

std::string WithoutDefault(const std::vector<std::string>& names) {
  return fmt::format("none of the chat templates is named 'default'; there are '{}'",
                     fmt::join(names, "', '"));
}

// Chooses `value` if it is a text, or the "default" of the named texts that it lists.
void Choose(const boost::json::value& value, ChatTemplateText* found) {
  if (value.is_string()) {
    found->text = std::string(value.get_string());
    return;
  }
  if (!value.is_array()) {
    found->problem = fmt::format("the chat template is {}: a text, or a list of texts with names, is needed",
                                 JsonText(value));
    return;
  }
  std::vector<std::string> names;
  for (const boost::json::value& entry : value.get_array()) {
    const boost::json::object* object = entry.if_object();
    const boost::json::value* name = object == nullptr ? nullptr : object->if_contains("name");
    const boost::json::value* text = object == nullptr ? nullptr : object->if_contains("template");
    if (name == nullptr || text == nullptr || !name->is_string() || !text->is_string()) {
      found->problem =
          fmt::format("{} in the list of chat templates has no name or template", JsonText(entry));
      return;
    }
    names.push_back(std::string(name->get_string()));
    if (names.back() == "default") found->text = std::string(text->get_string());
  }
  if (found->text.empty() && !names.empty()) found->problem = WithoutDefault(names);
}

Result<ChatTemplateText> FromJsonFile(const std::string& directory, const std::string& name) {
  ChatTemplateText found;
  const std::string path = directory + "/" + name;
  ASSIGN_OR_RETURN(const auto text, ReadOptionalTextFile(path, kMaxBytes));
  if (!text || text->empty()) return found;
  const Result<boost::json::object> object = ParseJsonObject(*text);
  if (!object.has_value()) return Annotate(object.error(), path);
  const boost::json::value* value = object->if_contains("chat_template");
  if (value == nullptr || value->is_null()) return found;
  found.source = name + ": chat_template";
  Choose(*value, &found);
  return found;
}

}  // namespace

Result<ChatTemplateText> ReadChatTemplateText(const std::string& directory) {
  ChatTemplateText file{.source = "chat_template.jinja"};
  ASSIGN_OR_RETURN(auto text, ReadOptionalTextFile(directory + "/" + file.source, kMaxBytes));
  file.text = std::move(text).value_or("");
  if (!file.text.empty()) return file;
  ASSIGN_OR_RETURN(ChatTemplateText config, FromJsonFile(directory, "tokenizer_config.json"));
  if (!config.source.empty()) return config;
  return FromJsonFile(directory, "chat_template.json");
}

ChatTemplateText ReadChatTemplateText(const GgufMetadata& metadata) {
  ChatTemplateText found;
  if (const auto* text = FindGguf<std::string>(metadata, std::string(kGgufKey))) {
    found.source = kGgufKey;
    found.text = *text;
    return found;
  }
  std::vector<std::string> names;
  const std::string prefix = std::string(kGgufKey) + ".";
  for (const auto& [key, value] : metadata) {
    if (key.starts_with(prefix)) names.push_back(key.substr(prefix.size()));
  }
  if (names.empty()) return found;
  found.source = prefix + names.front();
  found.problem = WithoutDefault(names);
  return found;
}

}  // namespace exeunt::text
