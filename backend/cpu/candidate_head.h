// CandidateHead is the vocabulary head of a few tokens, with the head's own logits. Instead of the whole
// vocabulary, an exit may look at the tokens that answers use most and at those of the prompt.
// OutsideEstimate estimates the mass of all other tokens. Immutable. Thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/cpu/linear.h"
#include "model/exit_heads_info.h"
#include "model/model_source.h"

namespace exeunt {

struct CandidateHead {
  std::vector<int32_t> tokens;  // ascending
  Linear head;                  // [tokens.size(), d_model]: their rows of the vocabulary head
};

// An estimate of log sum exp of the logits of all tokens outside the candidates. It is a linear function of
// the state after the head's norm.
struct OutsideEstimate {
  std::vector<float> weight;  // [d_model]; empty if none was fitted
  float bias = 0.0F;
};

// The largest number of candidates from a prompt. They are the first of its distinct tokens.
inline constexpr size_t kMostPromptCandidates = 2048;

// Makes the head of `tokens`, ascending ids of the vocabulary. Its rows come from `head`, the packed
// vocabulary head.
CandidateHead MakeCandidateHead(const ModelSource& source, const Linear& head, std::vector<int32_t> tokens);
// Returns the distinct tokens of a prompt that are not among `frequent`, ascending.
std::vector<int32_t> PromptCandidateTokens(std::span<const int32_t> prompt,
                                           std::span<const int32_t> frequent);

}  // namespace exeunt
