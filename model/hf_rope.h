// Reads RoPE scaling from config.json (rope_scaling, rope_parameters) and from --rope-scaling. Each key has
// the meaning that transformers' modeling_rope_utils.py and vLLM give it. docs/operations.md has the table.
#pragma once

#include <string_view>

#include "base/result.h"
#include "model/config.h"
#include "model/hf_keys.h"

namespace exeunt {

// Reads the keys of a config.json into rope_theta, rope_scaling and context_length. `config` must have
// max_position_embeddings as its unscaled_context_length.
Status ReadHfRope(const HfKeys& keys, ModelConfig* config);

// Replaces the file's scaling by a JSON object such as {"rope_type": "yarn", "factor": 4}. "default" means
// none.
Status OverrideRopeScaling(std::string_view json, ModelConfig* config);

}  // namespace exeunt
