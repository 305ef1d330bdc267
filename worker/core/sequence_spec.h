// SequenceSpec: what a stage must know of a sequence to finish its tokens; the `open` row carries it.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "model/exit_setting.h"
#include "model/sampling.h"
#include "transport/control.pb.h"

namespace exeunt {

struct SequenceSpec {
  uint64_t sequence = 0;
  std::vector<int32_t> prompt;
  int max_tokens = 0;
  SamplingParams sampling;
  ExitSetting exit;
  std::vector<int32_t> end_tokens;
  bool want_logits = false;
  // The first prefix_tokens positions, whole pages, are those of this sequence, whose prompt begins with the
  // same tokens; 0: none. Stage 0 clears both where that sequence is over when this one is admitted.
  uint64_t prefix_of = 0;
  int prefix_tokens = 0;
  // K/V of so many tokens, whole pages of the prompt but its last token, outlives the sequence; 0: none.
  int retain_tokens = 0;
  // The prompt's tokens from this position on are scored by the full model (PromptScoreOut); 0: none.
  int score_from = 0;

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

// Bounds that a message is held to before anything is allocated for it.
struct SequenceLimits {
  int context_length = 0;
  int vocab_size = 0;
  int n_layers = 0;
};

proto::OpenSequence ToProto(const SequenceSpec& spec);
// Refuses what a stage could not run: no prompt, too long, token ids outside the vocabulary, unknown modes.
// The error names the field, the value and the limit.
Result<SequenceSpec> FromProto(const proto::OpenSequence& message, const SequenceLimits& limits);

}  // namespace exeunt
