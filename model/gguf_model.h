// Interprets the metadata of a GGUF file as a model. The architectures are llama (GGUF's name also for
// Mistral, SmolLM2 and TinyLlama), qwen2 and qwen3. Keys:
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "model/config.h"
#include "model/gguf.h"
#include "model/model_parts.h"

namespace exeunt {

// Returns a valid configuration (ValidateConfig), or an error that names the key, its value and what is
// allowed. A warning lists the keys below the architecture's name that are not read because they change
// nothing.
Result<ModelConfig> GgufModelConfig(const GgufContents& gguf);

// Loads `path`, a file or the first part of several (gguf_split.h). Errors begin with the path of the faulty
// file.
Result<ModelParts> LoadGgufModel(const std::string& path);

}  // namespace exeunt
