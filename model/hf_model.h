// Loads a model from a Hugging Face directory with config.json, and model.safetensors or its shards. The
// architectures are LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM and Qwen3ForCausalLM.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/config.h"
#include "model/model_parts.h"

namespace exeunt {

// Parses the text of a config.json. Returns a valid configuration (ValidateConfig), or an error that names
// the key and its value. A key that changes the computation in a way that is not supported is always an
// error.
Result<ModelConfig> ParseHfConfig(std::string_view json);

// Returns GGUF's name of a tensor, or "" for a tensor that no computation needs. An unknown tensor is an
// error.
Result<std::string> GgufNameOfHfTensor(std::string_view name);

// Errors begin with the path of the faulty file.
Result<ModelParts> LoadHfModel(const std::string& directory);

}  // namespace exeunt
