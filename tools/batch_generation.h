// Runs many prompts through one in-process pipeline, a bounded number at a time.
#pragma once

#include <functional>
#include <vector>

#include "worker/process/local_pipeline.h"

namespace exeunt::tools {

struct Generation {
  std::vector<int32_t> tokens;   // with the end token, if there is one
  std::vector<int> exit_layers;  // layers that each token ran
  std::vector<float> confidences;
};

// Runs the sequences. Their numbers are their places plus `first_sequence`. At most `streams` are open at
// once, for which the pipeline's cache must have room. `done` is called once for each, in the order of their
// ends.
Status GenerateAll(worker::LocalPipeline* pipeline, std::vector<worker::SequenceSpec> specs, size_t streams,
                   const std::function<void(size_t index, Generation)>& done);

// Makes the spec share the prompt's whole pages with `source`, if that is still open at the time. `source`
// must have the same prompt and be admitted before.
void SharePrompt(const worker::SequenceSpec& source, worker::SequenceSpec* spec);

// Returns the pages that `streams` sequences of `positions` positions need.
int PagesFor(size_t streams, int positions);

}  // namespace exeunt::tools
