// What a worker says of the likeliest tokens at a position, as answers list them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "coordinator/core/token_event.h"
#include "text/tokenizer.h"

namespace exeunt::coordinator {

// Pieces and log-probabilities, in the worker's order.
std::vector<std::pair<std::string, float>> LikeliestTokens(const text::Tokenizer& tokenizer,
                                                           const std::vector<LikelyToken>& top);

}  // namespace exeunt::coordinator
