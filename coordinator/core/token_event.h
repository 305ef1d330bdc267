// The events of a request's tokens that a pipeline reports.
#pragma once

#include <cstdint>
#include <vector>

namespace exeunt::coordinator {

struct LikelyToken {
  int32_t token = 0;
  float logprob = 0.0F;
};

// A token that was generated.
struct TokenEvent {
  uint32_t generation = 0;
  uint32_t position = 0;  // prompt length + index of the token
  int32_t token = 0;
  int32_t exit_layer = 0;  // number of layers that the token ran
  float logprob = 0.0F;    // set if asked for
  std::vector<LikelyToken> top;
};

// The full model's score of a token of the prompt.
struct PromptScore {
  uint32_t position = 0;  // position of the prompt's token
  int32_t token = 0;      // likeliest token at the position
  float logprob = 0.0F;   // log-probability of the prompt's token
  std::vector<LikelyToken> top;
};

}  // namespace exeunt::coordinator
