// CpuLayers runs the decoder layers of a stage on the CPU. Results are bit-identical for any batch, thread
// count and instruction set. One thread drives it. It allocates only while its buffers grow to the largest
// batch.
#pragma once

#include <array>
#include <vector>

#include "backend/cpu/kv_cache.h"
#include "backend/cpu/matmul_rows.h"
#include "backend/cpu/rope.h"
#include "backend/cpu/stage_weights.h"
#include "backend/executor.h"
#include "base/clock.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/thread_pool.h"

namespace exeunt {

// The operations by which the time of a stage's jobs is counted.
enum class CpuOp {
  kGather,
  kNorm,
  kQkv,
  kRope,
  kAttention,
  kOutput,
  kGateUp,
  kDown,
  kHead,
  kSample,
  kPreview,
  kCount
};
const char* CpuOpName(CpuOp op);
using CpuOpSeconds = std::array<double, static_cast<size_t>(CpuOp::kCount)>;

// CpuOpTimer adds the time since its construction, or since the last Lap, to an operation.
class CpuOpTimer {
 public:
  explicit CpuOpTimer(CpuOpSeconds* seconds) : seconds_(seconds), last_(MonotonicNow()) {}
  void Lap(CpuOp op) {
    const TimePoint now = MonotonicNow();
    (*seconds_)[static_cast<size_t>(op)] += Seconds(now - last_);
    last_ = now;
  }

 private:
  CpuOpSeconds* seconds_;
  TimePoint last_;
};

// The rows of a job. The running rows come first. The K/V of the others is only stored.
struct CpuBatch {
  int run = 0;
  int rows = 0;
  const LayerRow* row = nullptr;  // [rows]
  float* x = nullptr;             // [rows, d_model]: the hidden states
};

class CpuLayers {
 public:
  // All arguments must outlive the object.
  CpuLayers(const StageWeights& weights, const KvCache& cache, const cpu::Ops& ops, cpu::ThreadPool* pool);

  // Computes the angles of a batch's rows. Call it before the layers of the batch.
  void Begin(const CpuBatch& batch);
  // Runs one layer. It stores the K/V of all rows, then runs the running rows. Their x becomes the layer's
  // output.
  void Forward(int layer, const CpuBatch& batch);

  // out = linear of `in`, with its bias.
  void Apply(const Linear& linear, const cpu::MatmulInput& in, const cpu::MatmulOutput& out);
  // in = norm of the rows of x [rows of in, d_model]. The caller has called Reset on `in`.
  void Normalise(const float* x, const std::vector<float>& weight, int rows, MatmulRows* in);

  const cpu::AttentionShape& attention_shape() const { return attention_; }
  CpuOpSeconds* op_seconds() { return &op_seconds_; }

 private:
  void ProjectQkv(const LayerWeights& w, const CpuBatch& batch);
  void RotateAndStore(const LayerWeights& w, int local_layer, const CpuBatch& batch);
  void Attend(const LayerWeights& w, int local_layer, const CpuBatch& batch);
  void AttendInChunks(int local_layer, const CpuBatch& batch);
  void RunFfn(const LayerWeights& w, const CpuBatch& batch);
  void AddBias(const Linear& linear, int rows, const cpu::MatmulOutput& out);

  const StageWeights& weights_;
  const KvCache& cache_;
  const cpu::Ops& ops_;
  const ModelConfig& config_;
  cpu::ThreadPool* pool_;
  cpu::AttentionShape attention_;
  Rope rope_;
  MatmulRows normed_;             // input of Q, K and V, and of gate and up
  MatmulRows attended_;           // input of the output projection
  MatmulRows activated_;          // input of the down projection
  std::vector<float> q_;          // [run, d_q]
  std::vector<float> kv_;         // [rows, 2 d_kv]
  std::vector<float> gate_up_;    // [run, 2 d_ff], if gate and up have different types
  std::vector<float> cos_, sin_;  // [rows, head_dim]: see Ops::rope_halves
  std::vector<float> parts_;      // partial results of attention in chunks
  CpuOpSeconds op_seconds_{};
};

}  // namespace exeunt
