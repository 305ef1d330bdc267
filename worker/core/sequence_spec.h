// SequenceSpec is a request and its place in a pipeline. It has all that a stage must know to finish the
// sequence's tokens. The `open` row carries it.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "request/sequence_request.h"
#include "request/validate.h"

namespace exeunt::worker {

struct SequenceSpec : SequenceRequest {
  uint64_t sequence = 0;
  // The source of the shared prefix. The first prefix_tokens positions are whole pages of the sequence
  // `prefix_of`, whose prompt begins with the same tokens. 0: none. Stage 0 clears both if that sequence is
  // over when this one is admitted.
  uint64_t prefix_of = 0;
  int prefix_tokens = 0;
  // Number of tokens whose K/V outlives the sequence. They are whole pages of the prompt without its last
  // token. 0: none.
  int retain_tokens = 0;

  int prompt_tokens() const { return static_cast<int>(prompt.size()); }
  int positions() const { return prompt_tokens() + max_tokens; }
  bool IsEnd(int32_t token) const;
  // Returns whether the likeliest token of a preview is the token that would be drawn and reported. The
  // sampling must be greedy, leave the logits unchanged and report no probabilities.
  bool TakesPreviews() const {
    return sampling.temperature == 0.0F && !sampling.AdjustsLogits() && sampling.n_logprobs < 0 &&
           !want_logits;
  }
};

// The limits of a specification.
struct SequenceLimits : RequestLimits {
  int page_tokens = 0;  // positions in a page of the K/V cache
};

// Refuses a request that is not valid, a prefix that is not whole pages, and features that are not supported.
// A stage could not run these. The error names the field, the value and the limit.
Status Validate(const SequenceSpec& spec, const SequenceLimits& limits);

}  // namespace exeunt::worker
