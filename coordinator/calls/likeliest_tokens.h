// Converts the likeliest tokens at a position from a worker's form to that of answers.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "coordinator/core/token_event.h"
#include "text/tokenizer.h"

namespace exeunt::coordinator {

// Returns pieces and log-probabilities in the worker's order.
std::vector<std::pair<std::string, float>> LikeliestTokens(const text::Tokenizer& tokenizer,
                                                           const std::vector<LikelyToken>& top);

}  // namespace exeunt::coordinator
