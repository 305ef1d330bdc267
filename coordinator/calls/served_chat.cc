#include "coordinator/calls/served_chat.h"

#include "base/error.h"

namespace exeunt::coordinator {
Result<ServedChat> LoadChat(const text::Tokenizer& tokenizer, const std::string& file) {
  ServedChat chat;
  chat.special_tokens = tokenizer.special_tokens();
  if (!file.empty()) {
    auto parsed = text::ChatTemplate::FromFile(file);
    if (!parsed) return Annotate(parsed.error(), "--chat-template");
    chat.chat_template = std::move(*parsed);
    return chat;
  }
  const text::ChatTemplateText& own = tokenizer.chat_template();
  chat.is_broken = !own.source.empty();
  if (!own.problem.empty()) {
    chat.problem = own.source + ": " + own.problem;
  } else if (own.text.empty()) {
    chat.is_broken = false;
    chat.problem = "it has no chat template";
  } else if (auto parsed = text::ChatTemplate::Parse(own.text); parsed) {
    chat.is_broken = false;
    chat.chat_template = std::move(*parsed);
  } else {
    chat.problem =
        fmt::format("its chat template ({}) cannot be used: {}", own.source, parsed.error().message);
  }
  return chat;
}

}  // namespace exeunt::coordinator
