#include "tests/golden/random_specs.h"

#include <algorithm>
#include <cctype>
#include <string_view>

namespace exeunt {
namespace {

// Grouped queries 3:1, and d_q other than d_model. The seeds differ, so that no model's golden fits
// another's.
RandomModelSpec Base() {
  RandomModelSpec spec;
  spec.n_layers = 3;
  spec.d_model = 64;
  spec.n_heads = 6;
  spec.n_kv_heads = 2;
  spec.head_dim = 16;
  spec.d_ff = 160;
  spec.context_length = 1024;
  return spec;
}

void AddArchitectures(std::vector<NamedSpec>* specs) {
  specs->push_back({"llama", Base()});

  RandomModelSpec untied = Base();
  untied.tied = false;
  untied.norm_eps = 1e-2F;
  specs->push_back({"llama_untied", untied});

  RandomModelSpec qwen2 = Base();
  qwen2.architecture = "qwen2";
  qwen2.n_heads = 7;
  qwen2.n_kv_heads = 1;
  qwen2.rope_theta = 1e6F;
  specs->push_back({"qwen2", qwen2});

  RandomModelSpec qwen3 = Base();
  qwen3.architecture = "qwen3";
  qwen3.n_heads = 4;
  qwen3.head_dim = 32;
  qwen3.rope_theta = 1e6F;
  qwen3.tied = false;
  specs->push_back({"qwen3", qwen3});
}

void AddRopeScalings(std::vector<NamedSpec>* specs) {
  RandomModelSpec linear = Base();
  linear.rope_scaling.kind = RopeScalingKind::kLinear;
  linear.rope_scaling.factor = 4.0F;
  specs->push_back({"llama_rope_linear", linear});

  RandomModelSpec yarn = Base();  // pairs 0 to 2 are kept, 9 to 15 interpolated in full, the others ramped
  yarn.head_dim = 32;
  yarn.rope_scaling.kind = RopeScalingKind::kYarn;
  yarn.rope_scaling.factor = 8.0F;
  yarn.rope_scaling.original_context = 1024;
  specs->push_back({"llama_rope_yarn", yarn});

  RandomModelSpec llama3 = Base();  // as converters write Llama 3.1: 1 for short waves, 8 for long ones
  llama3.rope_freq_factors = {1.0F, 1.0F, 1.25F, 2.5F, 5.0F, 8.0F, 8.0F, 8.0F};
  specs->push_back({"llama_rope_factors", llama3});
}

void AddLongSequences(std::vector<NamedSpec>* specs) {
  specs->push_back({"llama_long", Base()});  // past one chunk of attention

  RandomModelSpec window = Base();
  window.sliding_window = 70;
  specs->push_back({"llama_long_window", window});
}

// Rows of blocks of 256 are multiples of 256.
void AddTypes(std::vector<NamedSpec>* specs) {
  for (DType type : kAllDTypes) {
    RandomModelSpec spec = Base();
    spec.n_layers = 2;
    spec.d_model = 256;
    spec.n_heads = 8;
    spec.n_kv_heads = 4;
    spec.head_dim = 32;
    spec.d_ff = 512;
    spec.dtype = type;
    spec.embedding_dtype = type;
    std::string name = "type_" + std::string(Info(type).name);
    std::ranges::transform(name, name.begin(), [](char c) {
      return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    });
    specs->push_back({name, spec});
  }
}

// The types that llama.cpp's quantiser gives the matrices of a layer (Q, K, V, output, gate, up, down). Rows
// of 288 elements are no multiple of 256: those get the type of blocks of 32 that stands in for the one that
// was asked for.
void AddRecipes(std::vector<NamedSpec>* specs) {
  using enum DType;
  const auto add = [&](const char* name, int d_model, DType embedding, const std::vector<DType>& types) {
    RandomModelSpec spec = Base();
    spec.n_layers = 2;
    spec.d_model = d_model;
    spec.n_heads = 8;
    spec.n_kv_heads = 4;
    spec.head_dim = 32;
    spec.d_ff = 512;
    spec.vocab_size = 272;  // with a tokenizer, without which llama.cpp opens no file
    spec.embedding_dtype = embedding;
    spec.mixed_dtypes = types;
    specs->push_back({name, spec});
  };
  add("recipe_q4_k_m", 288, kQ8_0, {kQ5_0, kQ5_0, kQ8_0, kQ4_K, kQ5_0, kQ5_0, kQ6_K});
  add("recipe_q5_k_m", 288, kQ8_0, {kQ5_1, kQ5_1, kQ8_0, kQ5_K, kQ5_1, kQ5_1, kQ6_K});
  add("recipe_q3_k_m", 288, kQ8_0, {kIQ4_NL, kIQ4_NL, kQ5_1, kQ4_K, kIQ4_NL, kIQ4_NL, kQ5_K});
  add("recipe_q3_k_m_256", 256, kQ6_K, {kQ3_K, kQ3_K, kQ5_K, kQ4_K, kQ3_K, kQ3_K, kQ5_K});
  add("recipe_q2_k_256", 256, kQ6_K, {kQ2_K, kQ2_K, kQ3_K, kQ3_K, kQ2_K, kQ2_K, kQ3_K});
  add("recipe_iq4_xs", 288, kQ8_0, {kIQ4_NL, kIQ4_NL, kQ5_1, kIQ4_XS, kIQ4_NL, kIQ4_NL, kIQ4_XS});
  // Neighbours that are packed together where they are alike: K and V, gate and up.
  add("recipe_mixed", 288, kQ5_0, {kIQ4_NL, kQ5_0, kQ4_1, kQ2_K, kQ8_0, kF16, kQ3_K});
}

}  // namespace

std::vector<NamedSpec> GoldenSpecs() {
  std::vector<NamedSpec> specs;
  AddArchitectures(&specs);
  AddRopeScalings(&specs);
  AddLongSequences(&specs);
  AddTypes(&specs);
  AddRecipes(&specs);
  for (size_t i = 0; i < specs.size(); ++i) specs[i].spec.seed = 100 + i;
  return specs;
}

}  // namespace exeunt
