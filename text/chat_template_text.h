// The chat template that a model's files hold: its text, and where it stands.
#pragma once

#include <string>

#include "base/result.h"
#include "model/gguf_value.h"

namespace exeunt::text {

struct ChatTemplateText {
  std::string text;     // Jinja; "": there is none that can be used
  std::string source;   // file and key, "tokenizer_config.json: chat_template"
  std::string problem;  // why none can be used, where the files hold some; "": none of that
};

// Of a Hugging Face directory, in transformers' order: chat_template.jinja, then chat_template of
// tokenizer_config.json, a text or a list of {name, template} whose "default" counts, then
// chat_template.json, which processors write. Errors: a file that cannot be read, or is no JSON.
Result<ChatTemplateText> ReadChatTemplateText(const std::string& directory);
// Of a GGUF file: tokenizer.chat_template. Those with a name, tokenizer.chat_template.NAME, are never chosen.
ChatTemplateText ReadChatTemplateText(const GgufMetadata& metadata);

}  // namespace exeunt::text
