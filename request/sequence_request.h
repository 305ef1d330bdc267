// SequenceRequest: one sequence that somebody asks for. It is all that is needed to run the sequence, to run
// it again after a pipeline has been lost, and to keep it in a log. Plain data.
//
// A client's call may ask for several sequences, one for each prompt and choice. The stop strings of a call
// are not here: they belong to whoever turns tokens into text.
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
constexpr int kBackgroundPriority = kLastPriority + 1;  // of what no client waits for: never promoted

// A token that was generated already.
struct LoggedToken {
  int32_t token = 0;
  int32_t exit_layer = 0;  // layers that were run for it

  friend bool operator==(const LoggedToken&, const LoggedToken&) = default;
};

// request/request_fields.h lists the members: a new one goes there, too.
struct SequenceRequest {
  std::vector<int32_t> prompt;
  std::vector<LoggedToken> generated;  // the answer so far; empty: the request is new
  int max_tokens = 0;                  // of the answer, at most; those of `generated` count
  SamplingParams sampling;
  ExitSetting exit;
  std::vector<int32_t> end_tokens;  // each ends the answer; empty: max_tokens alone does
  int score_from = 0;        // the full model scores the prompt's tokens from this position on; 0: none
  bool want_logits = false;  // every token comes with a digest of its logits: for tests of the pipeline law
  std::string client;        // who asks; clients share by tokens
  int priority = 0;          // lower is earlier, kFirstPriority to kBackgroundPriority
  std::optional<Duration> timeout;  // from arrival to the end; the request fails when it passes

  friend bool operator==(const SequenceRequest&, const SequenceRequest&) = default;
};

}  // namespace exeunt
