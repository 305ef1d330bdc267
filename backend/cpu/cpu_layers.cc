#include "backend/cpu/cpu_layers.h"

#include <algorithm>
#include <cmath>

#include "base/sized.h"

namespace exeunt {
namespace {

constexpr int kGroupsPerTask = 4;  // least column groups of a matmul for a thread
// The least number of rows whose attention a thread takes. Rows of a prompt share their loads.
constexpr int kRowsPerTask = 4;

// Returns how many rows from r on are successive rows of one sequence.
int RowsOfOnePrompt(const CpuBatch& batch, int r, int end) {
  int n = 1;
  while (r + n < end && batch.row[Size(r + n)].pages == batch.row[Size(r)].pages &&
         batch.row[Size(r + n)].position == batch.row[Size(r)].position + n) {
    ++n;
  }
  return n;
}

}  // namespace

const char* CpuOpName(CpuOp op) {
  static constexpr const char* kNames[] = {"gather",  "norm", "qkv",  "rope",   "attention", "output",
                                           "gate+up", "down", "head", "sample", "preview"};
  return kNames[static_cast<size_t>(op)];
}

CpuLayers::CpuLayers(const StageWeights& weights, const KvCache& cache, const cpu::Ops& ops,
                     cpu::ThreadPool* pool)
    : weights_(weights),
      cache_(cache),
      ops_(ops),
      config_(weights.source->config()),
      pool_(pool),
      attention_{config_.n_heads, config_.n_kv_heads, config_.head_dim, config_.sliding_window,
                 1.0F / std::sqrt(static_cast<float>(config_.head_dim))},
      rope_(config_),
      normed_(ops),
      attended_(ops),
      activated_(ops) {}

void CpuLayers::Begin(const CpuBatch& batch) {
  const size_t dim = Size(config_.head_dim);
  const bool interleaved = config_.rope_style == RopeStyle::kInterleaved;
  float* cos = Sized(&cos_, Size(batch.rows) * dim);
  float* sin = Sized(&sin_, Size(batch.rows) * dim);
  std::array<float, cpu::kMaxHeadDim / 2> pair_cos;
  std::array<float, cpu::kMaxHeadDim / 2> pair_sin;
  for (size_t r = 0; r < Size(batch.rows); ++r, cos += dim, sin += dim) {
    rope_.At(batch.row[r].position, pair_cos.data(), pair_sin.data());
    for (size_t i = 0; i < dim / 2; ++i) {
      const size_t first = interleaved ? 2 * i : i;
      const size_t second = interleaved ? 2 * i + 1 : i + dim / 2;
      cos[first] = cos[second] = pair_cos[i];
      sin[first] = -pair_sin[i];
      sin[second] = pair_sin[i];
    }
  }
}

void CpuLayers::AddBias(const Linear& linear, int rows, const cpu::MatmulOutput& out) {
  if (linear.bias().empty()) return;
  for (int r = 0; r < rows; ++r) ops_.add(linear.bias().data(), linear.n(), out.data + Size(r) * out.stride);
}

void CpuLayers::Apply(const Linear& linear, const cpu::MatmulInput& in, const cpu::MatmulOutput& out) {
  if (in.rows == 0) return;
  for (const Linear::Part& part : linear.parts()) {
    const cpu::MatmulOutput to{out.data + part.first_row, out.stride, out.add};
    pool_->RunRanges(part.weight.groups(), kGroupsPerTask,
                     [&](int g0, int g1) { ops_.matmul(part.weight, in, to, g0, g1); });
  }
  AddBias(linear, in.rows, out);
}

void CpuLayers::Normalise(const float* x, const std::vector<float>& weight, int rows, MatmulRows* in) {
  const int d = static_cast<int>(weight.size());
  pool_->RunRanges(rows, 4, [&](int begin, int end) {
    for (int r = begin; r < end; ++r) {
      ops_.rms_norm(x + Size(r) * Size(d), weight.data(), d, config_.norm_eps, in->row(r));
      in->Ready(r);
    }
  });
}

// Computes Q of the running rows and K and V of all rows, over one list of column groups.
void CpuLayers::ProjectQkv(const LayerWeights& w, const CpuBatch& batch) {
  const cpu::MatmulOutput q{Sized(&q_, Size(batch.run * config_.d_q())), Size(config_.d_q()), false};
  const cpu::MatmulOutput kv{Sized(&kv_, Size(batch.rows * 2 * config_.d_kv())), Size(2 * config_.d_kv()),
                             false};
  if (w.q.parts().size() != 1 || w.kv.parts().size() != 1) {
    Apply(w.q, normed_.front(), q);
    return Apply(w.kv, normed_.all(), kv);
  }
  const PackedMatrix& wq = w.q.parts()[0].weight;
  const PackedMatrix& wkv = w.kv.parts()[0].weight;
  const int q_groups = batch.run > 0 ? wq.groups() : 0;
  pool_->RunRanges(q_groups + wkv.groups(), kGroupsPerTask, [&](int g0, int g1) {
    if (g0 < q_groups) ops_.matmul(wq, normed_.front(), q, g0, std::min(g1, q_groups));
    if (g1 > q_groups) ops_.matmul(wkv, normed_.all(), kv, std::max(g0 - q_groups, 0), g1 - q_groups);
  });
  AddBias(w.q, batch.run, q);
  AddBias(w.kv, batch.rows, kv);
}

void CpuLayers::RotateAndStore(const LayerWeights& w, int local_layer, const CpuBatch& batch) {
  const size_t dim = Size(config_.head_dim);
  const size_t d_q = Size(config_.d_q());
  const size_t d_kv = Size(config_.d_kv());
  const auto rope = config_.rope_style == RopeStyle::kInterleaved ? ops_.rope_interleaved : ops_.rope_halves;
  const auto rotate = [&](int row, float* x, int heads, const std::vector<float>& norm) {
    for (int h = 0; h < heads; ++h, x += dim) {
      if (!norm.empty()) ops_.rms_norm(x, norm.data(), config_.head_dim, config_.norm_eps, x);
      rope(x, &cos_[Size(row) * dim], &sin_[Size(row) * dim], config_.head_dim);
    }
  };
  pool_->RunRanges(batch.rows, 4, [&](int begin, int end) {
    for (int r = begin; r < end; ++r) {
      if (r < batch.run) rotate(r, &q_[Size(r) * d_q], config_.n_heads, w.q_norm);
      float* k = &kv_[Size(r) * 2 * d_kv];
      rotate(r, k, config_.n_kv_heads, w.k_norm);
      const LayerRow& row = batch.row[Size(r)];
      ops_.store_kv(attention_, cache_.Layer(local_layer, *row.pages), row.position, k, k + d_kv);
    }
  });
}

// Computes attention of the running rows into the input of the output projection. A task is some rows. If
// there are few rows, it is one KV head of one row, or one chunk if a row is long.
void CpuLayers::Attend(const LayerWeights& w, int local_layer, const CpuBatch& batch) {
  attended_.Reset(batch.run, w.o);
  const int kv_heads = config_.n_kv_heads;
  const bool few = batch.run < 4 * pool_->threads() && pool_->threads() > 1;
  int longest = 0;
  for (int r = 0; r < batch.run; ++r) longest = std::max(longest, batch.row[Size(r)].position);
  if (few && longest >= cpu::kAttentionChunk) return AttendInChunks(local_layer, batch);
  const auto attend = [&](int r, int rows, const cpu::HeadRange& heads) {
    const LayerRow& row = batch.row[Size(r)];
    ops_.attention(attention_, cache_.Layer(local_layer, *row.pages), row.position, rows, heads,
                   &q_[Size(r * config_.d_q())], attended_.row(r));
  };
  if (few) {
    pool_->Run(batch.run * kv_heads, [&](int i) {
      attend(i / kv_heads, 1, {i % kv_heads, i % kv_heads + 1});
    });
    for (int r = 0; r < batch.run; ++r) attended_.Ready(r);
    return;
  }
  pool_->RunRanges(batch.run, kRowsPerTask, [&](int begin, int end) {
    for (int r = begin; r < end;) {
      const int next = r + RowsOfOnePrompt(batch, r, end);
      attend(r, next - r, {0, kv_heads});
      for (; r < next; ++r) attended_.Ready(r);
    }
  });
}

void CpuLayers::AttendInChunks(int local_layer, const CpuBatch& batch) {
  const size_t floats = cpu::AttentionPartFloats(attention_);
  for (int r = 0; r < batch.run; ++r) {
    const LayerRow& row = batch.row[Size(r)];
    const KvLayerView kv = cache_.Layer(local_layer, *row.pages);
    const cpu::ChunkRange range = cpu::AttentionChunks(attention_, row.position);
    float* parts = Sized(&parts_, Size(range.count()) * floats);
    pool_->Run(range.count(), [&](int i) {
      ops_.attention_chunk(attention_, kv, row.position, range.first + i, &q_[Size(r * config_.d_q())],
                           parts + Size(i) * floats);
    });
    ops_.attention_merge(attention_, range.count(), parts, attended_.row(r));
    attended_.Ready(r);
  }
}

void CpuLayers::RunFfn(const LayerWeights& w, const CpuBatch& batch) {
  const int d_ff = config_.d_ff;
  const int run = batch.run;
  CpuOpTimer timer(&op_seconds_);
  activated_.Reset(run, w.down);
  const cpu::MatmulOutput ffn{activated_.row(0), Size(d_ff), false};
  const bool fused = w.gate_up.gate_up_in_turns();
  if (fused) {
    const PackedMatrix& weight = w.gate_up.parts()[0].weight;
    pool_->RunRanges(weight.groups() / 2, kGroupsPerTask,
                     [&](int g0, int g1) { ops_.gate_up(weight, normed_.all(), ffn, g0, g1); });
  } else {
    Apply(w.gate_up, normed_.all(), {Sized(&gate_up_, Size(run * 2 * d_ff)), Size(2 * d_ff), false});
  }
  pool_->RunRanges(run, 4, [&](int begin, int end) {
    for (int r = begin; r < end; ++r) {
      if (!fused) {
        const float* gate = &gate_up_[Size(r * 2 * d_ff)];
        ops_.swiglu(gate, gate + d_ff, d_ff, activated_.row(r));
      }
      activated_.Ready(r);
    }
  });
  timer.Lap(CpuOp::kGateUp);
  Apply(w.down, activated_.all(), {batch.x, Size(config_.d_model), true});
  timer.Lap(CpuOp::kDown);
}

void CpuLayers::Forward(int layer, const CpuBatch& batch) {
  const LayerWeights& w = weights_.layer(layer);
  const int local = layer - weights_.layer_begin;
  CpuOpTimer timer(&op_seconds_);
  normed_.Reset(batch.rows, batch.run, config_.d_model, w.q.quantised() || w.kv.quantised());
  Normalise(batch.x, w.attn_norm, batch.rows, &normed_);
  timer.Lap(CpuOp::kNorm);
  ProjectQkv(w, batch);
  timer.Lap(CpuOp::kQkv);
  RotateAndStore(w, local, batch);
  timer.Lap(CpuOp::kRope);
  if (batch.run == 0) return;
  Attend(w, local, batch);
  timer.Lap(CpuOp::kAttention);
  Apply(w.o, attended_.all(), {batch.x, Size(config_.d_model), true});
  timer.Lap(CpuOp::kOutput);
  normed_.Reset(batch.run, w.gate_up);
  Normalise(batch.x, w.ffn_norm, batch.run, &normed_);
  timer.Lap(CpuOp::kNorm);
  RunFfn(w, batch);
}

}  // namespace exeunt
