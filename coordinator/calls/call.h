// Call is one call of the API, from its tokens to its answer. It knows no HTTP. An AnswerWriter gives the
// answer its form.
#pragma once

#include <memory>
#include <vector>

#include "coordinator/calls/answer_choice.h"
#include "coordinator/calls/answer_writer.h"
#include "coordinator/calls/auditor.h"
#include "coordinator/calls/prepare_call.h"
#include "coordinator/driver/driver.h"

namespace exeunt::coordinator {

// The objects that calls use. All of them must outlive every call.
struct CallContext {
  Driver* driver = nullptr;
  const ServedModel* model = nullptr;
  Auditor* auditor = nullptr;  // null for no audits
};

// A call lives as long as the driver has a sequence of it. One thread: the driver's.
class Call : public std::enable_shared_from_this<Call> {
 public:
  // Submits a sequence for each prompt and choice. The writer's Complete or Fail follows exactly once, later,
  // unless the call is abandoned.
  static std::shared_ptr<Call> Start(const CallContext& context, PreparedCall prepared,
                                     std::unique_ptr<AnswerWriter> writer);
  // Nobody waits for the answer any longer. Its running sequences are cancelled. Idempotent.
  void Abandon();

 private:
  class Sink;

  Call(const CallContext& context, const PreparedCall& prepared, std::unique_ptr<AnswerWriter> writer);
  void Submit(PreparedCall prepared);
  void SubmitChoice(const PreparedCall& prepared, const PromptInput* prompt, SequenceRequest* request, int n,
                    bool audited);

  // Called by the sinks.
  void OnAccepted();
  void OnAdmitted(size_t choice, uint32_t cached_tokens, Duration waited);
  size_t OnTokens(size_t choice, const std::vector<TokenEvent>& tokens);
  void OnScores(size_t choice, const std::vector<PromptScore>& scores);
  void OnFinished(size_t choice, EndReason reason);
  void OnFailed(const ApiError& error);

  // Shows what can be shown. A choice that has stopped ends.
  void Advance(AnswerChoice* choice);
  void EndChoice(AnswerChoice* choice, EndReason reason);
  void SendPiece(AnswerChoice* choice);
  void Complete();
  void Cancel();
  Usage TotalUsage() const;

  const CallContext context_;
  const std::unique_ptr<AnswerWriter> writer_;
  const bool continuous_usage_;
  const bool score_only_;  // whether max_tokens is 0, so that the one generated token is not shown
  const int n_;            // answers that are shown of best_of_
  const int best_of_;
  bool answered_ = false;
  uint64_t prompt_tokens_ = 0;
  uint64_t cached_tokens_ = 0;
  Duration queue_time_{0};  // the longest wait
  std::vector<AnswerChoice> choices_;
};

}  // namespace exeunt::coordinator
