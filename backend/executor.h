// Executor: the compute behind a stage. The stage core (worker/core/stage.h) decides what runs and never
// computes. It submits jobs and gets their results back later as events. Hidden states live in the executor's
// own memory, in numbered slots. Jobs and copies of states take effect in the order of the calls. One thread
// drives an executor. Implementations: CpuExecutor (backend/cpu), and OracleExecutor (backend/oracle), which
// takes costs and results from a model of them. All of them pass backend/conformance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "request/exit_setting.h"
#include "request/sampling.h"
#include "transport/state_payload.h"

namespace exeunt {

// A position passing through layers. What it points to outlives the job.
struct LayerRow {
  int32_t slot = -1;  // hidden state [d_model]: read, and for running rows written
  int32_t position = 0;
  int32_t token = -1;  // its embedding becomes the state first, where SegmentJob::embed is set
  const std::vector<int32_t>* pages = nullptr;
  // For measures that are per_prompt: whose prompt this is. The executor may keep what it makes of it until
  // Forget(sequence).
  uint64_t sequence = 0;
  const std::vector<int32_t>* prompt = nullptr;
};

struct SegmentResult {
  std::vector<float> signals;  // one per run row where SegmentJob::signals is not empty
  // The likeliest token by the preview of the head (model/exit_heads_info.h) or among the candidates, one per
  // run row where any of the measures gives_token; -1 for the others.
  std::vector<int32_t> previews;
};

// Runs `run` through layers [layer_begin, layer_end) and stores K/V of `fill` in them, projected from each
// fill's own state. At each layer the K/V of all rows are written before any attention. A job without rows is done as any
// other.
struct SegmentJob {
  int layer_begin = 0;
  int layer_end = 0;
  bool embed = false;
  std::vector<LayerRow> run;
  std::vector<LayerRow> fill;
  // The measure whose confidence is wanted of run[i] at the end; kForced: none. Empty: none of any row.
  std::vector<ExitMeasure> signals;
  SegmentResult result;
};

struct HeadRow {
  int32_t slot = -1;
  int layer = 0;  // layers run before the head: that exit's translator is applied first, where it has one
  uint32_t position = 0;                     // of the token that is drawn
  const SamplingParams* sampling = nullptr;  // outlives the job
  bool want_logits = false;
  int32_t scored = -1;  // a token: the result is its log-probability and the likeliest tokens, not a draw
  TokenHistory history = {};  // where the sampling adjusts logits; outlives the job
};

struct HeadRowResult {
  int32_t token = -1;
  float softmax_margin = 0.0F;  // top1 - top2 of the softmax: CALM's softmax measure
  float logprob = 0.0F;
  std::vector<std::pair<int32_t, float>> top;
  std::vector<float> logits;  // [vocab] where wanted
};

// Norm, head and sampling.
struct HeadJob {
  std::vector<HeadRow> rows;
  std::vector<HeadRowResult> results;  // one per row
};

struct Job {
  uint64_t id = 0;
  std::variant<SegmentJob, HeadJob> work;
};

// A job comes back with its results, and its memory with it.
struct JobDone {
  Job job;
  // ResourceExhausted and the like: the job has no results, and the slots that it would have written have no
  // state. Unavailable: the device is lost, and no job can follow.
  Status status = OkStatus();
  Duration took{0};  // as the backend measured it
};

class Executor {
 public:
  virtual ~Executor() = default;
  // Jobs that may be submitted and not done; at least 1.
  int depth() const { return depth_; }
  // Of one row's state.
  size_t state_bytes() const { return state_bytes_; }

  // Queues a job. Jobs start in the order of submission. Rows of jobs in flight are disjoint.
  virtual void Submit(Job job) = 0;
  // Appends what has completed, in the order of submission. Never waits; an executor without a thread of its
  // own may compute one job here.
  virtual void Poll(std::vector<JobDone>* done) = 0;
  // Slots [0, n) exist after this; the states of those that existed stay. ResourceExhausted where memory does
  // not allow.
  virtual Status Reserve(int slots) = 0;
  // payload = states of the slots, [slots.size(), d_model] in the backend's state type. The state of a slot that does not
  // exist is 0, and Scatter passes it over.
  virtual void Gather(const std::vector<int32_t>& slots, transport::StatePayload* payload) = 0;
  // The other way round; a slot of -1 is passed over.
  virtual void Scatter(const std::vector<int32_t>& slots, transport::StatePayload* payload) = 0;
  // Where the payloads for Gather and Scatter come from.
  virtual transport::PayloadPool* payloads() = 0;
  // Nothing that was kept for the sequence is needed any more.
  virtual void Forget(uint64_t sequence) = 0;

 protected:
  Executor(int depth, size_t state_bytes) : depth_(depth), state_bytes_(state_bytes) {}

 private:
  int depth_;
  size_t state_bytes_;
};

}  // namespace exeunt
