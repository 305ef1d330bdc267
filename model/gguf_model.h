// A GGUF file as a model: what its metadata mean. Architectures: llama (which is also what GGUF calls
// Mistral, SmolLM2 and TinyLlama), qwen2, qwen3. Keys:
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "model/config.h"
#include "model/gguf.h"
#include "model/model_parts.h"

namespace exeunt {

// Valid (ValidateConfig), or an error that names the key, its value and what is allowed. A warning lists the
// keys below the architecture's name that are not read because they change nothing.
Result<ModelConfig> GgufModelConfig(const GgufContents& gguf);

// `path`: the file, or the first part of several (gguf_split.h). Errors begin with the path of the file at
// fault.
Result<ModelParts> LoadGgufModel(const std::string& path);

}  // namespace exeunt
