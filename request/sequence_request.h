// SequenceRequest is a request for one sequence. It is plain data. It has all that is needed to run the
// sequence, to run it again after a pipeline is lost, and to write it to a log.
//
// A client's call may ask for several sequences, one for each prompt and choice. The stop strings of a call
// are not here, because the code that turns tokens into text handles them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "request/exit_setting.h"
#include "request/sampling.h"

namespace exeunt {

constexpr int kFirstPriority = -100;
constexpr int kLastPriority = 100;
constexpr int kBackgroundPriority = kLastPriority + 1;  // no client waits; never promoted

// A token that was already generated.
struct LoggedToken {
  int32_t token = 0;
  int32_t exit_layer = 0;  // number of layers that the token ran

  friend bool operator==(const LoggedToken&, const LoggedToken&) = default;
};

// request/request_fields.h lists the members. Add each new member to that list.
struct SequenceRequest {
  std::vector<int32_t> prompt;
  std::vector<LoggedToken> generated;  // the answer so far; empty for a new request
  int max_tokens = 0;                  // largest length of the answer, with the tokens of `generated`
  SamplingParams sampling;
  ExitSetting exit;
  std::vector<int32_t> end_tokens;  // tokens that end the answer; if empty, only max_tokens ends it
  int score_from = 0;               // first position of the prompt that the full model scores; 0: none
  bool want_logits = false;  // adds a digest of the logits to every token, for tests of the pipeline law
  std::string client;        // owner of the request; clients share the pipelines by tokens
  int priority = 0;          // priority from kFirstPriority to kBackgroundPriority; lower comes earlier
  std::optional<Duration> timeout;  // longest time from arrival to the end, after which the request fails

  friend bool operator==(const SequenceRequest&, const SequenceRequest&) = default;
};

}  // namespace exeunt
