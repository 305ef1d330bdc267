// What a worker says of the likeliest tokens at a position, as answers list them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "text/tokenizer.h"
#include "transport/control.pb.h"

namespace exeunt {

// Pieces and log-probabilities, in the worker's order.
std::vector<std::pair<std::string, float>> LikeliestTokens(
    const Tokenizer& tokenizer, const google::protobuf::RepeatedPtrField<proto::TokenLogprob>& top);

}  // namespace exeunt
