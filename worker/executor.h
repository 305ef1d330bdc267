// Executor: the compute behind a stage. The stage core (stage.h) decides what runs and never computes; it
// submits jobs and gets their results back later as events. Hidden states live in the executor's own memory,
// in numbered slots. Implementations: CpuExecutor; a cost model for the simulator and CUDA later. One thread
// drives it.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <variant>
#include <vector>

#include "request/exit_setting.h"
#include "request/sampling.h"

namespace exeunt {

struct PromptCandidates;  // model/candidate_head.h

// A position passing through layers. `pages` outlives the job.
struct LayerRow {
  int32_t slot = -1;  // hidden state [d_model]: read, and for running rows written
  int32_t position = 0;
  int32_t token = -1;  // its embedding becomes the state first, where SegmentJob::embed is set
  const std::vector<int32_t>* pages = nullptr;
  PromptCandidates* candidates = nullptr;  // outlives the job; for a signal kCandidates
};

struct SegmentResult {
  std::vector<float> signals;  // one per run row where SegmentJob::signals is not empty
  // The likeliest token by the preview of the head (model/preview_head.h) or among the candidates
  // (model/candidate_head.h), one per run row where any of the signals is kPreview or kCandidates; -1 for the
  // others.
  std::vector<int32_t> previews;
};

// Runs `run` through layers [layer_begin, layer_end) and stores K/V of `fill` in them, projected from each
// fill's own state. At each layer the K/V of all rows are written before any attention.
struct SegmentJob {
  int layer_begin = 0;
  int layer_end = 0;
  bool embed = false;
  std::vector<LayerRow> run;
  std::vector<LayerRow> fill;
  // Confidence wanted of run[i] at the end: kState (cosine of the last two states), kClassifier, kPreview or
  // kCandidates; others none. Empty: none of any row.
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
};

class Executor {
 public:
  virtual ~Executor() = default;
  // Takes a job. Jobs run in the order of submission.
  virtual void Submit(Job job) = 0;
  // Appends what has completed. An executor without threads of its own runs one job here.
  virtual void Poll(std::vector<JobDone>* done) = 0;
  // Slots [0, n) exist after this.
  virtual void EnsureSlots(int n) = 0;
  // Copies states between slots and wire format ([slots.size(), d_model], F32, row-major).
  virtual void Gather(const std::vector<int32_t>& slots, std::vector<std::byte>* out) = 0;
  // A slot of -1 is passed over.
  virtual void Scatter(const std::vector<int32_t>& slots, const std::byte* rows) = 0;
  virtual size_t state_bytes() const = 0;  // of one row on the wire
};

}  // namespace exeunt
