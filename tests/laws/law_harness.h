// What the tests of the pipeline's invariants share: a random model, seeded requests, runs of an in-process
// pipeline, and the comparison of what came out, bit for bit.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/model_source.h"
#include "model/testing/random_model.h"
#include "worker/process/local_pipeline.h"

namespace exeunt {

// One generated token, with a digest of the logits it was drawn from.
struct GeneratedToken {
  int32_t token = -1;
  int exit_layer = 0;
  uint64_t logits_digest = 0;
  friend bool operator==(const GeneratedToken&, const GeneratedToken&) = default;
};

// Per sequence: tokens in order.
using Generated = std::map<uint64_t, std::vector<GeneratedToken>>;

struct LawRun {
  Generated generated;
  std::map<uint64_t, worker::SequenceFinishedOut> finished;
  std::vector<worker::StageCounters> counters;  // per stage
  int peak_micro_batches = 0;
};

// Opens a random model, written to a temporary file; cached by spec.
std::shared_ptr<const ModelSource> RandomModel(const RandomModelSpec& spec);
// 30 layers, small everything: what most laws are tested on.
RandomModelSpec TinyThirty(DType dtype);

struct RequestMix {
  int count = 8;
  uint64_t seed = 1;
  int max_prompt = 40;
  int max_tokens = 12;
  bool sampled = false;  // temperature 1 instead of greedy
  ExitSetting exit;
};
std::vector<worker::SequenceSpec> MakeRequests(const RequestMix& mix, int vocab_size);

struct Schedule {
  bool staggered = false;  // requests arrive over time instead of at once
  uint64_t seed = 1;
  double cancel_share = 0.0;   // of requests that are cancelled at a random turn
  double evict_share = 0.0;    // of turns at which something is evicted that a sequence has left behind
  double arrival_share = 0.3;  // of turns at which the next request arrives, where they are staggered
};

// The executor itself, or, where EXEUNT_LAW_EXECUTOR is "late", a LateExecutor of it.
std::unique_ptr<Executor> LawExecutor(std::unique_ptr<Executor> executor);
// A pipeline of such executors, unless the options wrap them otherwise.
std::unique_ptr<worker::LocalPipeline> LawPipeline(std::shared_ptr<const ModelSource> source,
                                                   worker::LocalPipelineOptions options);

// Of a pipeline at rest: no page, slot, fill or micro-batch is still held (ADD_FAILURE).
void CheckNothingLeaked(worker::LocalPipeline* pipeline);

// Runs the requests to their end. Aborts the test (ADD_FAILURE) on a stage failure, an unfinished request, a
// leaked page or a leaked slot.
LawRun RunLaw(std::shared_ptr<const ModelSource> source, const worker::LocalPipelineOptions& options,
              std::vector<worker::SequenceSpec> requests, const Schedule& schedule = {});

// Exits by layer with probability, for the `forced` measure.
ExitSetting ForcedExits(std::vector<ForcedExit> exits);

}  // namespace exeunt
