// Penalties, biases and bans: what a request changes about a row of logits before a token is drawn from it.
#pragma once

#include "request/sampling.h"

namespace exeunt {

// logits: [n], changed in place, in the order of vLLM's sampler: + logit_bias; of tokens of the prompt or the
// answer, / repetition_penalty where positive and * where not; - frequency_penalty * how often the answer has
// the token - presence_penalty where it has it (OpenAI's formula). End tokens before min_tokens are banned,
// and so is the last token of a bad word whose other tokens end the answer. Tokens that are not among
// allowed_tokens are never drawn: where all that are among them are banned, one of these is drawn all the
// same. Tokens outside [0, n) are passed over. Thread-safe; the same bits on every machine.
void AdjustLogits(const SamplingParams& params, const TokenHistory& history, int n, float* logits);

}  // namespace exeunt
