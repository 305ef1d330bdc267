// Checks whether a request can be run. Only this code checks the ranges of a request's fields.
#pragma once

#include "base/result.h"
#include "request/sequence_request.h"

namespace exeunt {

// The sizes of the served model.
struct RequestLimits {
  int context_length = 0;
  int vocab_size = 0;
  int n_layers = 0;
};

// The error names the field, its value and the limit.
Status Validate(const SequenceRequest& request, const RequestLimits& limits);

}  // namespace exeunt
