// Many prompts through one in-process pipeline, a bounded number at a time.
#pragma once

#include <functional>
#include <vector>

#include "worker/process/local_pipeline.h"

namespace exeunt::tools {

struct Generation {
  std::vector<int32_t> tokens;   // the end token included, where there was one
  std::vector<int> exit_layers;  // of each token: layers run
  std::vector<float> confidences;
};

// Runs the sequences, whose numbers are their places plus `first_sequence`; at most `streams` are open at
// once, which the pipeline's cache has room for. `done` is called once for each, in the order they end.
Status GenerateAll(worker::LocalPipeline* pipeline, std::vector<worker::SequenceSpec> specs, size_t streams,
                   const std::function<void(size_t index, Generation)>& done);

// The spec takes the prompt's whole pages from `source`, which has the same prompt and is admitted before it,
// where that is still open then.
void SharePrompt(const worker::SequenceSpec& source, worker::SequenceSpec* spec);

// Pages that `streams` sequences of so many positions need.
int PagesFor(size_t streams, int positions);

}  // namespace exeunt::tools
