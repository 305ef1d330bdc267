// SequenceSpec: a request and its place in a pipeline. It is all that a stage must know of a sequence to
// finish its tokens; the `open` row carries it.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "request/sequence_request.h"
#include "request/validate.h"

namespace exeunt::worker {

struct SequenceSpec : SequenceRequest {
  uint64_t sequence = 0;
  // The first prefix_tokens positions, whole pages, are those of this sequence, whose prompt begins with the
  // same tokens; 0: none. Stage 0 clears both where that sequence is over when this one is admitted.
  uint64_t prefix_of = 0;
  int prefix_tokens = 0;
  // K/V of so many tokens, whole pages of the prompt but its last token, outlives the sequence; 0: none.
  int retain_tokens = 0;

  int prompt_tokens() const { return static_cast<int>(prompt.size()); }
  int positions() const { return prompt_tokens() + max_tokens; }
  bool IsEnd(int32_t token) const;
  // Whether the likeliest token of a preview is what would be drawn and reported: greedy, nothing changed
  // about the logits, no probabilities asked for.
  bool TakesPreviews() const {
    return sampling.temperature == 0.0F && !sampling.AdjustsLogits() && sampling.n_logprobs < 0 &&
           !want_logits;
  }
};

// What a specification is held to.
struct SequenceLimits : RequestLimits {
  int page_tokens = 0;  // positions of a page of the K/V cache
};

// Refuses what a stage could not run: a request that is not valid, a prefix that is no run of whole pages,
// and what is not built. The error names the field, the value and the limit.
Status Validate(const SequenceSpec& spec, const SequenceLimits& limits);

}  // namespace exeunt::worker
