// The chat template in a model's files, with its text and its place.
#pragma once

#include <string>

#include "base/result.h"
#include "model/gguf_value.h"

namespace exeunt::text {

struct ChatTemplateText {
  std::string text;     // Jinja; "": no usable template
  std::string source;   // file and key, such as "tokenizer_config.json: chat_template"
  std::string problem;  // reason why the templates in the files cannot be used; "": none
};

// Reads a Hugging Face directory in transformers' order. First comes chat_template.jinja. Then comes
// chat_template of tokenizer_config.json, which is a text or a list of {name, template} with a "default".
// Last comes chat_template.json, which processors write. A file that cannot be read or is not JSON is an
// error.
Result<ChatTemplateText> ReadChatTemplateText(const std::string& directory);
// Reads tokenizer.chat_template of a GGUF file. Named templates, tokenizer.chat_template.NAME, are never
// chosen.
ChatTemplateText ReadChatTemplateText(const GgufMetadata& metadata);

}  // namespace exeunt::text
