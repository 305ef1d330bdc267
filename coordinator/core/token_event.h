// What a pipeline says of the tokens of a request.
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
  uint32_t position = 0;  // prompt length + its index
  int32_t token = 0;
  int32_t exit_layer = 0;  // layers that were run for it
  float logprob = 0.0F;    // where asked for
  std::vector<LikelyToken> top;
};

// What the full model says of a token of the prompt.
struct PromptScore {
  uint32_t position = 0;  // of the prompt's token
  int32_t token = 0;      // the likeliest one there
  float logprob = 0.0F;   // of the prompt's token
  std::vector<LikelyToken> top;
};

}  // namespace exeunt::coordinator
