// PrepareCall makes the requests of a call from its JSON body. It is pure. The caller passes time, random
// ids, random seeds and the client.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/calls/served_model.h"
#include "coordinator/openai/api_error.h"
#include "coordinator/openai/generation_request.h"
#include "coordinator/openai/response.h"
#include "request/sequence_request.h"

namespace exeunt::coordinator {

// The source of a call, and its random values.
struct CallOrigin {
  bool chat = false;  // from /v1/chat/completions, else from /v1/completions
  std::string client;
  std::string id;       // id behind "cmpl-" or "chatcmpl-" if the body names none
  int64_t created = 0;  // seconds since 1970
  uint64_t seed = 0;    // used if the body names none
};

struct PreparedCall {
  GenerationRequest asked;
  std::vector<std::vector<int32_t>> prompts;  // tokens of each prompt
  SequenceRequest common;  // shared by all sequences of the call, without prompt and max_tokens
  ResponseShape shape;

  // Removes the exits of its certificate. Sampling and limits stay those of the certificate.
  void RunInFull();
};

// Errors are for the client. They name the field, its value and what would be right.
ApiResult<PreparedCall> PrepareCall(const ServedModel& model, const CallOrigin& origin,
                                    const boost::json::object& body);

}  // namespace exeunt::coordinator
