// The messages between the coordinator and its workers, as plain data. transport/control.proto defines the
// same messages on the wire and their meaning. coordinator/driver/control_messages.h converts them.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "coordinator/core/token_event.h"
#include "request/end_reason.h"
#include "request/sequence_request.h"

namespace exeunt::coordinator {

// The first tokens of a prompt, in whole pages, whose K/V another sequence of the pipeline holds.
struct SharedPrefix {
  uint64_t sequence = 0;  // 0 for none
  uint32_t tokens = 0;
};

namespace to_worker {

struct LayerRange {
  int begin = 0;
  int end = 0;  // one past the last layer
};
struct Plan {
  std::string model_path;
  std::string exits_path;          // directory of exits.json, or ""
  std::vector<LayerRange> stages;  // the model's layers, in order
  std::vector<int> exit_layers;    // layers after which tokens may leave, ascending
  uint64_t kv_budget_bytes = 0;    // bytes of the whole pipeline
  int threads = 0;                 // compute threads of each stage
  int prefill_chunk_tokens = 0;
  int max_batch_rows = 0;
  bool pin_threads = false;
  std::string adapter_path;  // PEFT directory, or ""
  std::string adapter_type;  // type of merged matrices
  std::string rope_scaling;
  int context_length = 0;

  int n_layers() const { return stages.empty() ? 0 : stages.back().end; }
};
struct OpenSequence {
  uint64_t sequence = 0;
  SequenceRequest request;
  SharedPrefix shared;         // prefix that is shared with another sequence
  uint32_t retain_tokens = 0;  // prompt tokens whose K/V stays until Evict
};
struct Admit {
  std::vector<OpenSequence> open;
};
struct Evict {
  std::vector<uint64_t> sequences;
};
struct Cancel {
  std::vector<uint64_t> sequences;
};
struct Doorbell {
  uint64_t opened = 0;
};
struct Flush {
  std::vector<uint64_t> sequences;
};
struct Shutdown {
  std::string reason;
};

}  // namespace to_worker

using ToWorker = std::variant<to_worker::Plan, to_worker::Admit, to_worker::Evict, to_worker::Cancel,
                              to_worker::Doorbell, to_worker::Flush, to_worker::Shutdown>;

namespace from_worker {

struct LoadProgress {
  float fraction = 0.0F;  // fraction of the stage's own tensors
  std::string what;
};
struct Ready {
  uint64_t kv_pages = 0;
  uint32_t page_tokens = 0;
  uint64_t weight_bytes = 0;
  uint64_t head_bytes = 0;  // bytes of the vocabulary head among them
  std::string isa;
  std::string invariance;
};
struct Heartbeat {
  uint64_t progress = 0;
  bool busy = false;
};
struct Token {
  uint64_t sequence = 0;
  TokenEvent event;
};
struct Tokens {
  std::vector<Token> tokens;
};
struct Score {
  uint64_t sequence = 0;
  PromptScore score;
};
struct Scores {
  std::vector<Score> scores;
};
struct SequenceFinished {
  uint64_t sequence = 0;
  uint32_t tokens = 0;  // generated tokens with an end token
  EndReason reason = EndReason::kCancelled;
  bool retained = false;
};
struct SequenceRefused {
  uint64_t sequence = 0;
  std::string reason;
};
struct SequenceFailed {
  uint64_t sequence = 0;
  std::string reason;
};
struct SequencesClosed {
  std::vector<uint64_t> sequences;
};
struct LayerCount {
  int layer = 0;
  uint64_t count = 0;
};
struct SequenceState {
  uint64_t sequence = 0;
  uint32_t watermark = 0;  // positions whose K/V the stage holds
  uint32_t backlog = 0;    // rows that wait in the stage as fills
};
// Counters are totals since the stage began.
struct StageReport {
  uint64_t steps = 0;
  uint64_t live_rows = 0;
  uint64_t prompt_rows = 0;
  uint64_t fill_rows = 0;
  uint64_t fills_sent = 0;
  uint64_t fills_dropped = 0;
  uint64_t frames_sent = 0;
  uint64_t returns_sent = 0;
  uint64_t frames_received = 0;
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  double busy_seconds = 0.0;
  double idle_seconds = 0.0;
  double bubble_seconds = 0.0;
  double blocked_seconds = 0.0;
  uint32_t kv_pages_used = 0;
  uint32_t open_sequences = 0;
  uint32_t backlog_rows = 0;
  uint32_t frames_in_flight = 0;
  uint32_t micro_batches = 0;
  uint32_t micro_batches_max = 0;
  uint64_t stale_frames = 0;
  uint64_t largest_batch_rows = 0;
  uint64_t mixed_batches = 0;
  std::vector<uint64_t> step_rows;  // steps by their rows, in the buckets of report_buckets.h
  std::vector<LayerCount> exits;
  std::vector<SequenceState> sequences;
};
struct Fatal {
  std::string message;
};

}  // namespace from_worker

using FromWorker = std::variant<from_worker::LoadProgress, from_worker::Ready, from_worker::Heartbeat,
                                from_worker::Tokens, from_worker::Scores, from_worker::SequenceFinished,
                                from_worker::SequenceRefused, from_worker::SequenceFailed,
                                from_worker::SequencesClosed, from_worker::StageReport, from_worker::Fatal>;

}  // namespace exeunt::coordinator
