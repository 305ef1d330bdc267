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

// Rows of K-quants are multiples of 256.
void AddTypes(std::vector<NamedSpec>* specs) {
  for (DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_1,
                     DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
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

}  // namespace

std::vector<NamedSpec> GoldenSpecs() {
  std::vector<NamedSpec> specs;
  AddArchitectures(&specs);
  AddRopeScalings(&specs);
  AddLongSequences(&specs);
  AddTypes(&specs);
  for (size_t i = 0; i < specs.size(); ++i) specs[i].spec.seed = 100 + i;
  return specs;
}

}  // namespace exeunt
