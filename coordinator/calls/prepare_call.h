// PrepareCall: from the JSON body of a call to the requests that it makes. Pure: what comes from outside
// (time, random ids and seeds, the client) is handed in.
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

// Where a call comes from, and what it has of chance.
struct CallOrigin {
  bool chat = false;  // of /v1/chat/completions, else of /v1/completions
  std::string client;
  std::string id;       // of the answer, behind "cmpl-" or "chatcmpl-", where the body names none
  int64_t created = 0;  // seconds since 1970
  uint64_t seed = 0;    // where the body names none
};

struct PreparedCall {
  GenerationRequest asked;
  std::vector<std::vector<int32_t>> prompts;  // tokens of each
  SequenceRequest common;  // what all sequences of the call share: without prompt and max_tokens
  ResponseShape shape;

  // Without its certificate's exits. Sampling and limits stay the certificate's.
  void RunInFull();
};

// Errors are for the client: they name the field, its value and what would be right.
ApiResult<PreparedCall> PrepareCall(const ServedModel& model, const CallOrigin& origin,
                                    const boost::json::object& body);

}  // namespace exeunt::coordinator
