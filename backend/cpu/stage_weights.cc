#include "backend/cpu/stage_weights.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/error.h"
#include "kernels/cpu/ops.h"
#include "kernels/dequantize.h"

namespace exeunt {
namespace {

std::vector<float> LoadVector(const ModelSource& source, const std::string& name) {
  const TensorView* t = source.Find(name);
  if (t == nullptr) return {};
  std::vector<float> v(static_cast<size_t>(t->shape[0]));
  DequantizeRow(t->dtype, t->bytes.data(), v.data(), v.size());
  return v;
}

LayerWeights LoadLayer(const ModelSource& source, int layer, bool dequantise, PackedArena* arena) {
  const auto name = [layer](const char* part) { return fmt::format("blk.{}.{}", layer, part); };
  const auto matrix = [&](const std::vector<std::string>& names) {
    return Linear::Load(source, names, dequantise, arena);
  };
  LayerWeights w;
  w.attn_norm = LoadVector(source, name("attn_norm.weight"));
  w.ffn_norm = LoadVector(source, name("ffn_norm.weight"));
  w.q_norm = LoadVector(source, name("attn_q_norm.weight"));
  w.k_norm = LoadVector(source, name("attn_k_norm.weight"));
  w.q = matrix({name("attn_q")});
  w.kv = matrix({name("attn_k"), name("attn_v")});
  w.o = matrix({name("attn_output")});
  w.gate_up = Linear::LoadGateUp(source, name("ffn_gate"), name("ffn_up"), dequantise, arena);
  w.down = matrix({name("ffn_down")});
  return w;
}

Status CheckKernelLimits(const ModelConfig& c) {
  if (c.head_dim % 16 != 0 || c.head_dim > cpu::kMaxHeadDim) {
    return Unimplemented("head_dim {} is not a multiple of 16 up to {}", c.head_dim, cpu::kMaxHeadDim);
  }
  if (c.n_heads % c.n_kv_heads != 0) {
    return InvalidArgument("{} query heads cannot share {} KV heads evenly", c.n_heads, c.n_kv_heads);
  }
  return OkStatus();
}

}  // namespace

size_t LayerWeights::bytes() const {
  return (attn_norm.size() + ffn_norm.size() + q_norm.size() + k_norm.size()) * sizeof(float) + q.bytes() +
         kv.bytes() + o.bytes() + gate_up.bytes() + down.bytes();
}

size_t StageWeights::bytes() const {
  size_t sum = head_norm.size() * sizeof(float) + head.bytes();
  for (const LayerWeights& layer : layers) sum += layer.bytes();
  return sum;
}

void StageWeights::Embed(int32_t token, float* dst) const {
  const TensorView* t = source->Find("token_embd.weight");
  const auto d = static_cast<size_t>(t->shape[1]);
  CHECK_LT(token, t->shape[0]);
  DequantizeRow(t->dtype, t->bytes.data() + static_cast<size_t>(token) * RowBytes(t->dtype, d), dst, d);
}

Result<StageWeights> LoadStageWeights(std::shared_ptr<const ModelSource> source,
                                      const StageWeightsOptions& options,
                                      const std::function<void(float)>& progress) {
  RETURN_IF_ERROR(CheckKernelLimits(source->config()));
  CHECK_LT(options.layer_begin, options.layer_end);
  CHECK_LE(options.layer_end, source->config().n_layers);
  StageWeights w;
  w.source = std::move(source);
  w.layer_begin = options.layer_begin;
  const int layers = options.layer_end - options.layer_begin;
  const auto total = static_cast<float>(layers + (options.with_head ? 1 : 0));
  PackedArena arena;
  for (int i = 0; i < layers; ++i) {
    w.layers.push_back(LoadLayer(*w.source, options.layer_begin + i, options.dequantise, &arena));
    progress(static_cast<float>(i + 1) / total);
  }
  if (options.with_head) {
    w.head_norm = LoadVector(*w.source, "output_norm.weight");
    w.head = Linear::Load(*w.source, {w.source->config().head_tensor()}, options.dequantise, &arena);
    progress(1.0F);
  }
  return w;
}

}  // namespace exeunt
