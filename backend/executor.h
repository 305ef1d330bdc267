// An Executor computes for a stage. The stage core (worker/core/stage.h) decides what runs and never
// computes. It submits jobs and gets their results back later as events. Hidden states live in the executor's
// own memory, in numbered slots. Jobs and copies of states take effect in the order of the calls. One thread
// drives an executor. The implementations are CpuExecutor (backend/cpu) and OracleExecutor (backend/oracle),
// which takes costs and results from a model of them. All implementations pass backend/conformance.
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

// A position that passes through layers. Its pointers must stay valid until the job is done.
struct LayerRow {
  int32_t slot = -1;  // hidden state [d_model]; it is read, and written for running rows
  int32_t position = 0;
  int32_t token = -1;  // token whose embedding becomes the state first, if SegmentJob::embed is set
  const std::vector<int32_t>* pages = nullptr;
  // The sequence and its prompt, for measures that are per_prompt. The executor may keep data that it makes
  // from the prompt until Forget(sequence).
  uint64_t sequence = 0;
  const std::vector<int32_t>* prompt = nullptr;
};

struct SegmentResult {
  std::vector<float> signals;  // one per run row if SegmentJob::signals is not empty
  // The likeliest token by the preview of the head (model/exit_heads_info.h) or among the candidates. There
  // is one per run row if any of the measures gives_token. It is -1 for rows with other measures.
  std::vector<int32_t> previews;
};

// Runs `run` through layers [layer_begin, layer_end). Stores the K/V of `fill` in these layers, projected
// from each fill's own state. In each layer the K/V of all rows are written before any attention. A job may
// have no rows.
struct SegmentJob {
  int layer_begin = 0;
  int layer_end = 0;
  bool embed = false;
  std::vector<LayerRow> run;
  std::vector<LayerRow> fill;
  // The measure to compute for run[i] after the layers. kForced computes nothing. An empty list computes no
  // measure.
  std::vector<ExitMeasure> signals;
  SegmentResult result;
};

struct HeadRow {
  int32_t slot = -1;
  // The number of layers that ran before the head. If the exit after this layer has a translator, it is
  // applied first.
  int layer = 0;
  uint32_t position = 0;                     // position of the token that is drawn
  const SamplingParams* sampling = nullptr;  // must stay valid until the job is done
  bool want_logits = false;
  // A token to score. The result is then its log-probability and the likeliest tokens, not a draw. -1: draw.
  int32_t scored = -1;
  TokenHistory history = {};  // used if the sampling adjusts logits; must stay valid until the job is done
};

struct HeadRowResult {
  int32_t token = -1;
  float softmax_margin = 0.0F;  // top1 - top2 of the softmax: CALM's softmax measure
  float logprob = 0.0F;
  std::vector<std::pair<int32_t, float>> top;
  std::vector<float> logits;  // [vocab] if want_logits, else empty
};

// Runs the norm, the head and the sampling.
struct HeadJob {
  std::vector<HeadRow> rows;
  std::vector<HeadRowResult> results;  // one per row
};

struct Job {
  uint64_t id = 0;
  std::variant<SegmentJob, HeadJob> work;
};

// A job that comes back with its results and its memory.
struct JobDone {
  Job job;
  // With ResourceExhausted and similar errors the job has no results, and the slots that it would have
  // written have no state. With Unavailable the device is lost and no job can follow.
  Status status = OkStatus();
  Duration took{0};  // duration that the backend measured
};

class Executor {
 public:
  virtual ~Executor() = default;
  // The largest number of jobs that are submitted and not done, at least 1.
  int depth() const { return depth_; }
  // The bytes of one row's state.
  size_t state_bytes() const { return state_bytes_; }

  // Queues a job. Jobs start in the order of submission. Rows of jobs in flight are disjoint.
  virtual void Submit(Job job) = 0;
  // Appends completed jobs in the order of submission. It never waits. An executor without its own thread may
  // compute one job here.
  virtual void Poll(std::vector<JobDone>* done) = 0;
  // Makes slots [0, n) available. States in slots that existed before stay. Fails with ResourceExhausted if
  // memory does not suffice.
  virtual Status Reserve(int slots) = 0;
  // Copies the states of the slots to the payload, [slots.size(), d_model] in the backend's state type. The
  // state of a slot that does not exist is 0. Scatter skips such a slot.
  virtual void Gather(const std::vector<int32_t>& slots, transport::StatePayload* payload) = 0;
  // Copies the payload to the slots. A slot of -1 is skipped.
  virtual void Scatter(const std::vector<int32_t>& slots, transport::StatePayload* payload) = 0;
  // The pool of payloads for Gather and Scatter.
  virtual transport::PayloadPool* payloads() = 0;
  // Frees what was kept for the sequence. The caller needs it no more.
  virtual void Forget(uint64_t sequence) = 0;

 protected:
  Executor(int depth, size_t state_bytes) : depth_(depth), state_bytes_(state_bytes) {}

 private:
  int depth_;
  size_t state_bytes_;
};

}  // namespace exeunt
