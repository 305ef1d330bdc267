// Applies a request's penalties, biases and bans to a row of logits before a token is drawn from it.
#pragma once

#include "request/sampling.h"

namespace exeunt {

// Changes logits [n] in place, in the order of vLLM's sampler:
//   1. + logit_bias
//   2. for tokens of the prompt or the answer, / repetition_penalty if positive and * if not
//   3. - frequency_penalty * count in the answer - presence_penalty if in the answer (OpenAI's formula)
// End tokens before min_tokens are banned. The last token of a bad word is banned if the answer ends with the
// word's other tokens. Tokens that are not among allowed_tokens are never drawn. If all allowed tokens are
// banned, one of them is drawn nevertheless. Tokens outside [0, n) are skipped. Thread-safe. The results are
// bit-identical on every machine.
void AdjustLogits(const SamplingParams& params, const TokenHistory& history, int n, float* logits);

}  // namespace exeunt
