// Whether a request can be run at all: the one place where the ranges of its fields are checked.
#pragma once

#include "base/result.h"
#include "request/sequence_request.h"

namespace exeunt {

// The served model's sizes.
struct RequestLimits {
  int context_length = 0;
  int vocab_size = 0;
  int n_layers = 0;
};

// The error names the field, its value and the limit.
Status Validate(const SequenceRequest& request, const RequestLimits& limits);

}  // namespace exeunt
