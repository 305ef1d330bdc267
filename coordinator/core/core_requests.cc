// Running requests: the order of tokens, and the ends. Admission is in core_admission.cc.
#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "coordinator/core/coordinator_core.h"

namespace exeunt::coordinator {
// Cancels the sequence, after the message that opens it. Returns the number of delivered tokens.
uint32_t CoordinatorCore::CancelSequence(const Request& request) {
  if (request.sequence == 0) return 0;
  Replica& replica = replicas_.at(request.pipeline);
  const OpenSequence& sequence = replica.sequences.at(request.sequence);
  if (!sequence.finished) {
    SendPending(&replica);
    SendTo(replica, 0, to_worker::Cancel{{request.sequence}});
    replica.prefixes.Suspend(request.sequence);
  }
  return sequence.order.delivered();
}

void CoordinatorCore::Abandon(RequestId id) {
  const auto it = requests_.find(id);
  if (it == requests_.end()) return;
  FinishRequest(id, EndReason::kCancelled, CancelSequence(it->second));
}

// Nobody waits for the request any longer. Its sequence, if one is open, goes on without it.
void CoordinatorCore::Forget(RequestId id) {
  const auto it = requests_.find(id);
  CHECK_MSG(it != requests_.end(), "request {} ends twice", id);
  const Request& request = it->second;
  due_.erase({request.due, id});
  if (request.sequence == 0) {
    queue_.Remove(id);
    try_admission_ = true;
  } else {
    auto& sequences = replicas_.at(request.pipeline).sequences;
    const auto sequence = sequences.find(request.sequence);
    if (sequence != sequences.end()) sequence->second.request.reset();
  }
  requests_.erase(it);
}

void CoordinatorCore::FinishRequest(RequestId id, EndReason reason, uint32_t tokens) {
  Forget(id);
  Emit(RequestFinished{id, reason, tokens});
}

void CoordinatorCore::FailRequest(RequestId id, FailureKind kind, std::string message) {
  Forget(id);
  Emit(RequestFailed{id, kind, std::move(message)});
}

Pipeline::Why CoordinatorCore::OnTokens(Replica* replica, from_worker::Tokens* tokens) {
  replica->pipeline.NoteProgress(now_);
  for (auto& [number, event] : tokens->tokens) {
    const auto it = replica->sequences.find(number);
    std::vector<TokenEvent> ordered;
    if (it == replica->sequences.end() || !it->second.order.Push(std::move(event), &ordered)) {
      ++stale_events_;
      continue;
    }
    if (ordered.empty()) continue;
    if (it->second.request) Emit(RequestTokens{*it->second.request, std::move(ordered)});
    if (auto why = TryFinish(replica, number, &it->second)) return why;
  }
  return std::nullopt;
}

Pipeline::Why CoordinatorCore::OnScores(Replica* replica, from_worker::Scores* scores) {
  replica->pipeline.NoteProgress(now_);
  std::map<uint64_t, std::vector<PromptScore>> by_sequence;
  for (auto& [number, score] : scores->scores) by_sequence[number].push_back(std::move(score));
  for (auto& [number, of_sequence] : by_sequence) {
    const auto it = replica->sequences.find(number);
    if (it == replica->sequences.end()) {
      stale_events_ += of_sequence.size();
      continue;
    }
    OpenSequence& sequence = it->second;
    if (of_sequence.size() > sequence.scores_due) {
      return fmt::format("sequence {} has {} scores more than were asked for", number,
                         of_sequence.size() - sequence.scores_due);
    }
    sequence.scores_due -= static_cast<uint32_t>(of_sequence.size());
    if (sequence.request) Emit(RequestScores{*sequence.request, std::move(of_sequence)});
    if (auto why = TryFinish(replica, number, &sequence)) return why;
  }
  return std::nullopt;
}

Pipeline::Why CoordinatorCore::OnFinished(Replica* replica, uint32_t rank,
                                          const from_worker::SequenceFinished& finished) {
  const auto it = replica->sequences.find(finished.sequence);
  if (rank != 0 || it == replica->sequences.end() || it->second.finished) {
    ++stale_events_;
    return std::nullopt;
  }
  if (finished.tokens > it->second.max_tokens) {
    return fmt::format("stage 0 finished a sequence with {} tokens, at most {} were asked for",
                       finished.tokens, it->second.max_tokens);
  }
  it->second.finished = finished;
  try_admission_ = true;  // its retained prefix may be shared
  if (auto why = LeavePrompt(replica, finished, it->second.failed)) return why;
  return TryFinish(replica, finished.sequence, &it->second);
}

// A sequence has ended when stage 0 has reported its number of tokens and all of them have arrived, with the
// scores of its prompt.
Pipeline::Why CoordinatorCore::TryFinish(Replica* replica, uint64_t number, OpenSequence* sequence) {
  if (!sequence->finished) return std::nullopt;
  const uint32_t tokens = sequence->finished->tokens;
  // A cancel overtakes tokens that later stages have already reported. Stage 0's count is then a lower bound.
  const bool cancelled = sequence->finished->reason == EndReason::kCancelled;
  if (sequence->order.delivered() > tokens && !cancelled) {
    return fmt::format("sequence {} has {} tokens, stage 0 said {}", number, sequence->order.delivered(),
                       tokens);
  }
  if (sequence->order.delivered() < tokens) return std::nullopt;
  if (sequence->scores_due > 0 && !cancelled) return std::nullopt;
  if (sequence->canary) {
    replica->pipeline.SetVerified();
    try_admission_ = true;
  }
  if (!sequence->request) return std::nullopt;
  FinishRequest(*sequence->request, sequence->finished->reason, tokens);
  return std::nullopt;
}

// Only this request fails. Sequences that were to share its prompt's K/V run without it, because stage 0
// decides that when it opens them.
Pipeline::Why CoordinatorCore::OnRefused(Replica* replica, uint32_t rank,
                                         const from_worker::SequenceRefused& refused) {
  const auto it = replica->sequences.find(refused.sequence);
  if (rank != 0 || it == replica->sequences.end() || it->second.finished) {
    ++stale_events_;
    return std::nullopt;
  }
  if (it->second.canary) return fmt::format("stage 0 refused the canary: {}", refused.reason);
  if (it->second.request) FailRequest(*it->second.request, FailureKind::kRefused, refused.reason);
  replica->sequences.erase(it);
  replica->prefixes.Remove(refused.sequence);
  for (uint32_t stage = 0; stage < config_.stages; ++stage) replica->ledger.Close(refused.sequence, stage);
  --replica->opened;
  RingOthers(*replica);
  try_admission_ = true;
  replica->idle_since = now_;
  replica->pipeline.NoteProgress(now_);
  return std::nullopt;
}

// Only this request fails, and its sequence is cancelled. Several stages may report it. Only the first report
// counts.
Pipeline::Why CoordinatorCore::OnFailed(Replica* replica, uint32_t rank,
                                        const from_worker::SequenceFailed& failed) {
  const auto it = replica->sequences.find(failed.sequence);
  if (it == replica->sequences.end()) {
    ++stale_events_;
    return std::nullopt;
  }
  OpenSequence& sequence = it->second;
  if (std::exchange(sequence.failed, true)) return std::nullopt;
  if (sequence.canary) return fmt::format("stage {} failed the canary: {}", rank, failed.reason);
  replica->prefixes.Suspend(failed.sequence);
  if (!sequence.request) return std::nullopt;
  const RequestId id = *sequence.request;
  CancelSequence(requests_.at(id));
  FailRequest(id, FailureKind::kStageFailed,
              fmt::format("stage {} failed to compute the request: {}", rank, failed.reason));
  return std::nullopt;
}

Pipeline::Why CoordinatorCore::OnClosed(Replica* replica, uint32_t rank,
                                        const from_worker::SequencesClosed& closed) {
  for (const uint64_t number : closed.sequences) {
    if (!replica->ledger.Close(number, rank)) continue;
    try_admission_ = true;
    const auto it = replica->sequences.find(number);
    CHECK_MSG(it != replica->sequences.end(), "sequence {} is reserved and not open", number);
    if (it->second.request)
      return fmt::format("sequence {} was closed before its tokens were complete", number);
    const bool failed = it->second.failed;
    replica->sequences.erase(it);
    if (failed) {
      DropPrompt(replica, number);
    } else {
      replica->prefixes.MakeEvictable(number);
    }
    replica->idle_since = now_;
    replica->pipeline.NoteProgress(now_);
  }
  return std::nullopt;
}

}  // namespace exeunt::coordinator
