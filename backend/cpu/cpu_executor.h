// CpuExecutor runs a stage's layers on the CPU, on the caller's thread and those of a pool. Results are
// bit-identical for any batch, thread count and instruction set. One thread drives it. Poll runs one job to
// its end.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "backend/cpu/cheap_head.h"
#include "backend/cpu/cpu_candidates.h"
#include "backend/cpu/cpu_layers.h"
#include "backend/cpu/cpu_preview.h"
#include "backend/cpu/exit_heads.h"
#include "backend/cpu/kv_cache.h"
#include "backend/cpu/stage_weights.h"
#include "backend/executor.h"
#include "base/fifo.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/thread_pool.h"

namespace exeunt {

struct CpuExecutorOptions {
  cpu::Isa isa = cpu::DefaultIsa();
  int threads = 1;
  std::vector<int> cpus;  // CPUs for pinning, one per thread, or empty
  int max_slots = 0;      // 0 for no limit
  // Called between layers, so that transports make progress and watchdogs see it.
  std::function<void()> progress = [] {};
};

class CpuExecutor : public Executor {
 public:
  CpuExecutor(StageWeights weights, ExitHeads exits, KvCache cache, CpuExecutorOptions options);

  void Submit(Job job) override { jobs_.push_back(std::move(job)); }
  void Poll(std::vector<JobDone>* done) override;
  Status Reserve(int slots) override;
  void Gather(const std::vector<int32_t>& slots, transport::StatePayload* payload) override;
  void Scatter(const std::vector<int32_t>& slots, transport::StatePayload* payload) override;
  transport::PayloadPool* payloads() override { return &payloads_; }
  void Forget(uint64_t sequence) override;

  const StageWeights& weights() const { return weights_; }
  const KvCache& cache() const { return cache_; }
  const cpu::AttentionShape& attention_shape() const { return layers_.attention_shape(); }
  // The seconds of all jobs so far, by operation.
  const CpuOpSeconds& op_seconds() { return *layers_.op_seconds(); }

 private:
  bool HasSlot(int32_t slot) const {
    return slot >= 0 && static_cast<size_t>(slot) < slots_.size() * kSlotChunk;
  }
  Status CheckSlot(int32_t slot) const;
  Status RunSegment(SegmentJob* job);
  void Measure(const SegmentJob& job, const float* x, SegmentResult* result);
  // Measures the rows that ask for `measure`.
  void MeasureTokens(const SegmentJob& job, ExitMeasure measure, CheapHead* head, SegmentResult* result);
  Status RunHead(HeadJob* job);
  void RunHeadBlock(HeadJob* job, size_t first, size_t count);
  void Translate(const HeadRow* rows, int count);
  // x: [count, d_model], states of tokens at one exit.
  void Translate(int layer, int count, float* x);
  void Gather(const SegmentJob& job, const CpuBatch& batch);
  float* slot(int32_t s) { return slots_[static_cast<size_t>(s) / kSlotChunk].get() + ChunkOffset(s); }
  size_t ChunkOffset(int32_t s) const;

  static constexpr size_t kSlotChunk = 256;
  StageWeights weights_;
  ExitHeads exits_;
  KvCache cache_;
  CpuExecutorOptions options_;
  const cpu::Ops& ops_;
  const ModelConfig& config_;
  cpu::ThreadPool pool_;
  CpuLayers layers_;
  Fifo<Job> jobs_;
  transport::HostPayloadPool payloads_;
  std::vector<std::unique_ptr<float[]>> slots_;
  // Buffers that grow to the largest batch and keep their memory.
  std::vector<LayerRow> rows_;
  std::vector<float> x_;            // [rows, d_model]
  std::vector<float> before_last_;  // [run, d_model]: states before the segment's last layer
  std::vector<float> logits_;       // [head rows, vocab]
  std::vector<VocabStats> stats_;
  MatmulRows head_rows_;
  MatmulRows translator_rows_;
  std::map<ExitMeasure, std::unique_ptr<CheapHead>> cheap_heads_;  // only those that were fitted
  std::vector<size_t> asked_;                                      // rows of a job that ask for a measure
  std::vector<CheapHeadRow> askers_;                               // their sequences
  std::vector<float> measured_;                                    // [asked_, d_model]: their states
  std::vector<ExitToken> exit_tokens_;
};

}  // namespace exeunt
