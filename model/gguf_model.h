// A GGUF file as a model: what its metadata mean. Architectures: llama (which is also what GGUF calls
// Mistral, SmolLM2 and TinyLlama), qwen2, qwen3. Keys:
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <string>

#include "base/result.h"
#include "model/config.h"
#include "model/gguf.h"
#include "model/model_parts.h"

namespace exeunt {

// Valid (ValidateConfig), or an error that names the key, its value and what is allowed.
Result<ModelConfig> GgufModelConfig(const GgufContents& gguf);

// Errors begin with `path`.
Result<ModelParts> LoadGgufModel(const std::string& path);

}  // namespace exeunt
