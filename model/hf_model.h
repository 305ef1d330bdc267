// A Hugging Face directory as a model: config.json, and model.safetensors or its shards.
// Architectures: LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/config.h"
#include "model/model_parts.h"

namespace exeunt {

// The text of a config.json. Valid (ValidateConfig), or an error that names the key and its value; a key that
// changes what the model computes in a way that is not built here is such an error, never ignored.
Result<ModelConfig> ParseHfConfig(std::string_view json);

// GGUF's name of a tensor, "" for one that no computation needs, or an error for one that is not known.
Result<std::string> GgufNameOfHfTensor(std::string_view name);

// Errors begin with the path of the file at fault.
Result<ModelParts> LoadHfModel(const std::string& directory);

}  // namespace exeunt
