// CpuExecutor: runs a stage's layers on the CPU, on the caller's thread and a pool's. Results are
// bit-identical for any batch, thread count and instruction set. One thread drives it; Poll runs one job to
// its end.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "kernels/cpu/ops.h"
#include "kernels/cpu/thread_pool.h"
#include "model/exit_heads.h"
#include "model/kv_cache.h"
#include "model/rope.h"
#include "model/stage_weights.h"
#include "worker/executor.h"

namespace exeunt {

struct CpuExecutorOptions {
  cpu::Isa isa = cpu::DefaultIsa();
  int threads = 1;
  // Called between layers: transports need it to make progress, watchdogs to see some.
  std::function<void()> progress = [] {};
};

class CpuExecutor : public Executor {
 public:
  CpuExecutor(StageWeights weights, ExitHeads exits, KvCache cache, CpuExecutorOptions options);
  ~CpuExecutor() override;

  void Submit(Job job) override { jobs_.push_back(std::move(job)); }
  void Poll(std::vector<JobDone>* done) override;
  void EnsureSlots(int n) override;
  void Gather(const std::vector<int32_t>& slots, std::vector<std::byte>* out) override;
  void Scatter(const std::vector<int32_t>& slots, const std::byte* rows) override;
  size_t state_bytes() const override;

  const StageWeights& weights() const { return weights_; }
  const KvCache& cache() const { return cache_; }
  const cpu::AttentionShape& attention_shape() const { return attention_; }

 private:
  struct Batch;
  struct Scratch;

  SegmentResult RunSegment(const SegmentJob& job);
  HeadResult RunHead(const HeadJob& job);
  void RunHeadBlock(const HeadJob& job, size_t first, size_t count, HeadResult* result);
  void RunLayer(int layer, Batch* batch);
  void Attend(int layer, Batch* batch);
  // out[rows, out_stride] = linear of `in` [rows, k] (rows contiguous), bias included.
  void Apply(const Linear& linear, const float* in, int rows, float* out, size_t out_stride);
  void Normalise(const float* x, const std::vector<float>& weight, int rows, float* out);
  void AddRows(const float* x, size_t count, float* y);
  float* slot(int32_t s) { return slots_[static_cast<size_t>(s) / kSlotChunk].get() + ChunkOffset(s); }
  size_t ChunkOffset(int32_t s) const;

  static constexpr size_t kSlotChunk = 256;
  StageWeights weights_;
  ExitHeads exits_;
  KvCache cache_;
  CpuExecutorOptions options_;
  const cpu::Ops& ops_;
  const ModelConfig& config_;
  cpu::AttentionShape attention_;
  Rope rope_;
  cpu::ThreadPool pool_;
  std::deque<Job> jobs_;
  std::vector<std::unique_ptr<float[]>> slots_;
  std::unique_ptr<Scratch> scratch_;
};

}  // namespace exeunt
