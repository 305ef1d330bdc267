// CandidateHead: the vocabulary head of a few tokens, with the head's own logits. An exit may look at those
// that answers use most and at those of the prompt instead of at the whole vocabulary; what lies outside them
// is estimated (OutsideEstimate). Immutable; thread-safe.
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

// log sum exp of the logits of all tokens that are no candidates, as a linear function of the state after the
// head's norm.
struct OutsideEstimate {
  std::vector<float> weight;  // [d_model]; empty: none was fitted
  float bias = 0.0F;
};

// Of a prompt's distinct tokens, at most so many are candidates: the first ones.
inline constexpr size_t kMostPromptCandidates = 2048;

// The rows of `tokens`, ascending ids of the vocabulary, as `head`, the packed vocabulary head, has them.
CandidateHead MakeCandidateHead(const ModelSource& source, const Linear& head, std::vector<int32_t> tokens);
// The distinct tokens of a prompt that are not among `frequent`, ascending.
std::vector<int32_t> PromptCandidateTokens(std::span<const int32_t> prompt,
                                           std::span<const int32_t> frequent);

}  // namespace exeunt
