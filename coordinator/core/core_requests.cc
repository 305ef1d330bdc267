// Requests: admission, order of tokens, ends. Supervision is in coordinator_core.cc.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "coordinator/core/coordinator_core.h"
#include "coordinator/core/open_sequence_message.h"

namespace exeunt {
namespace {

// Prompts in one Admit: far below the limit of a control message.
constexpr size_t kMaxAdmitTokens = size_t{1} << 18;

EndReason ReasonOf(proto::FinishReason reason) {
  switch (reason) {
    case proto::FINISH_STOP:
      return EndReason::kStop;
    case proto::FINISH_LENGTH:
      return EndReason::kLength;
    default:
      return EndReason::kCancelled;
  }
}

}  // namespace

void CoordinatorCore::On(RequestArrived& event) {
  const RequestId id = event.record.id;
  CHECK_MSG(!requests_.contains(id), "request {} arrives twice", id);
  if (auto refusal = Refusal(event.record)) return Emit(std::move(*refusal));
  requests_[id] = Request{.record = std::move(event.record), .arrived = now_};
  queue_.push_back(id);
  AdmitQueued();
  if (queue_.size() > config_.max_queue) {
    FailRequest(id, FailureKind::kQueueFull,
                fmt::format("{} requests are waiting, the limit is {}; please try again later",
                            queue_.size() - 1, config_.max_queue));
  }
}

std::optional<RequestFailed> CoordinatorCore::Refusal(const RequestRecord& record) const {
  if (draining_) return RequestFailed{record.id, FailureKind::kShuttingDown, "the server is shutting down"};
  if (record.positions() > config_.context_length) {
    return RequestFailed{
        record.id, FailureKind::kContextLength,
        fmt::format("This model's maximum context length is {} tokens, but {} were requested "
                    "({} in the prompt, {} for the completion).",
                    config_.context_length, record.positions(), record.prompt.size(), record.max_tokens)};
  }
  const uint64_t capacity = LargestCapacityTokens();
  if (capacity > 0 && record.positions() > capacity) {
    return RequestFailed{
        record.id, FailureKind::kTooLarge,
        fmt::format("The request needs K/V memory for {} tokens (prompt and max_tokens), but the "
                    "whole KV budget of a pipeline holds {}.",
                    record.positions(), capacity)};
  }
  if (!ready())
    return RequestFailed{record.id, FailureKind::kNoPipeline, "no pipeline is ready; please try again"};
  return std::nullopt;
}

uint64_t CoordinatorCore::LargestCapacityTokens() const {
  uint64_t largest = 0;
  for (const Replica& replica : replicas_) {
    largest = std::max(largest, replica.known_capacity_pages * replica.known_page_tokens);
  }
  return largest;
}

// The least loaded pipeline that has a place now; of equals, the one that knows most of the prompt.
CoordinatorCore::Place CoordinatorCore::ChooseReplica(const RequestRecord& record) {
  Place best;
  const auto load = [](const Place& p) {
    return std::tuple(p.replica->sequences.size(), -static_cast<int64_t>(p.shared.tokens),
                      p.replica->ledger.reserved_pages());
  };
  for (Replica& replica : replicas_) {
    if (!replica.pipeline.verified() || replica.sequences.size() >= config_.max_sequences) continue;
    const auto shared = PlaceIn(replica, record);
    if (!shared) continue;
    const Place place{&replica, *shared};
    if (best.replica == nullptr || load(place) < load(best)) best = place;
  }
  return best;
}

// First come, first served: the first that finds no place holds back the rest, so that a large one is not
// starved.
void CoordinatorCore::AdmitQueued() {
  while (!queue_.empty()) {
    const RequestId id = queue_.front();
    Request& request = requests_.at(id);
    const uint64_t positions = request.record.positions();
    if (const uint64_t capacity = LargestCapacityTokens(); capacity > 0 && positions > capacity) {
      FailRequest(id, FailureKind::kTooLarge,
                  fmt::format("The request needs K/V memory for {} tokens, but a restarted "
                              "pipeline holds {}.",
                              positions, capacity));
      continue;
    }
    const Place place = ChooseReplica(request.record);
    if (place.replica == nullptr) return;
    queue_.pop_front();
    request.pipeline = place.replica->pipeline.index();
    request.sequence = OpenIn(place, request.record, id);
    Emit(RequestAdmitted{id, request.pipeline, place.shared.tokens});
  }
}

uint64_t CoordinatorCore::OpenIn(const Place& place, const RequestRecord& record,
                                 std::optional<RequestId> request) {
  Replica* replica = place.replica;
  MakeRoom(replica, record.positions(), place.shared);
  const uint64_t number = replica->next_sequence++;
  replica->ledger.Reserve(number, static_cast<uint32_t>(record.positions()), place.shared);
  const uint32_t retained = HoldPrompt(replica, number, record, place.shared);
  if (replica->sequences.empty()) replica->pipeline.NoteProgress(now_);
  replica->sequences.emplace(number, OpenSequence(record, request, now_));
  ++replica->opened;
  if (replica->pending_tokens + record.prompt.size() > kMaxAdmitTokens) SendPending(replica);
  *replica->pending.add_open() = OpenSequenceMessage(number, record, place.shared, retained);
  replica->pending_tokens += record.prompt.size();
  return number;
}

// The admissions of this step in one message to stage 0; the other stages are rung.
void CoordinatorCore::SendPending(Replica* replica) {
  if (replica->pending.open_size() == 0) return;
  proto::ToWorker admit;
  admit.mutable_admit()->Swap(&replica->pending);
  replica->pending_tokens = 0;
  SendTo(*replica, 0, std::move(admit));
  proto::ToWorker doorbell;
  doorbell.mutable_doorbell()->set_opened(replica->opened);
  for (uint32_t rank = 1; rank < config_.stages; ++rank) SendTo(*replica, rank, doorbell);
}

void CoordinatorCore::Abandon(RequestId id) {
  const auto it = requests_.find(id);
  if (it == requests_.end()) return;
  uint32_t tokens = 0;
  if (it->second.sequence != 0) {
    Replica& replica = replicas_.at(it->second.pipeline);
    OpenSequence& sequence = replica.sequences.at(it->second.sequence);
    tokens = sequence.order.delivered();
    if (!sequence.finished) {
      SendPending(&replica);  // the order to open comes before the order to cancel
      proto::ToWorker message;
      message.mutable_cancel()->add_sequence(it->second.sequence);
      SendTo(replica, 0, std::move(message));
      replica.prefixes.Suspend(it->second.sequence);
    }
  }
  FinishRequest(id, EndReason::kCancelled, tokens);
}

// Nobody waits for it any more: its sequence, if one is open, goes on without it.
void CoordinatorCore::Forget(RequestId id) {
  const auto it = requests_.find(id);
  CHECK_MSG(it != requests_.end(), "request {} ends twice", id);
  auto& sequences = replicas_.at(it->second.pipeline).sequences;
  const auto sequence = sequences.find(it->second.sequence);
  if (sequence != sequences.end()) sequence->second.request.reset();
  std::erase(queue_, id);
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

void CoordinatorCore::ExpireQueue() {
  while (!queue_.empty() && now_ - requests_.at(queue_.front()).arrived >= config_.queue_timeout) {
    FailRequest(queue_.front(), FailureKind::kQueueTimeout,
                fmt::format("no place in a pipeline within {:.0f} s", Seconds(config_.queue_timeout)));
  }
}

Pipeline::Why CoordinatorCore::OnTokens(Replica* replica, proto::TokenEvents* events) {
  replica->pipeline.NoteProgress(now_);
  for (proto::TokenEvent& event : *events->mutable_events()) {
    const uint64_t number = event.sequence();
    const auto it = replica->sequences.find(number);
    std::vector<proto::TokenEvent> ordered;
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

Pipeline::Why CoordinatorCore::OnScores(Replica* replica, proto::PromptScores* scores) {
  replica->pipeline.NoteProgress(now_);
  std::map<uint64_t, std::vector<proto::PromptScore>> by_sequence;
  for (proto::PromptScore& score : *scores->mutable_scores()) {
    by_sequence[score.sequence()].push_back(std::move(score));
  }
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
                                          const proto::SequenceFinished& finished) {
  const auto it = replica->sequences.find(finished.sequence());
  if (rank != 0 || it == replica->sequences.end() || it->second.finished) {
    ++stale_events_;
    return std::nullopt;
  }
  if (finished.tokens() > it->second.max_tokens) {
    return fmt::format("stage 0 finished a sequence with {} tokens, at most {} were asked for",
                       finished.tokens(), it->second.max_tokens);
  }
  it->second.finished = finished;
  if (auto why = LeavePrompt(replica, finished)) return why;
  return TryFinish(replica, finished.sequence(), &it->second);
}

// A sequence has ended once stage 0 has said how many tokens it has, and all of them are here, as are the
// scores of its prompt.
Pipeline::Why CoordinatorCore::TryFinish(Replica* replica, uint64_t number, OpenSequence* sequence) {
  if (!sequence->finished) return std::nullopt;
  const uint32_t tokens = sequence->finished->tokens();
  // A cancel overtakes tokens that later stages have already reported: then stage 0's count is a lower bound.
  const bool cancelled = sequence->finished->reason() == proto::FINISH_CANCELLED;
  if (sequence->order.delivered() > tokens && !cancelled) {
    return fmt::format("sequence {} has {} tokens, stage 0 said {}", number, sequence->order.delivered(),
                       tokens);
  }
  if (sequence->order.delivered() < tokens) return std::nullopt;
  if (sequence->scores_due > 0 && !cancelled) return std::nullopt;
  if (sequence->canary) replica->pipeline.SetVerified();
  if (!sequence->request) return std::nullopt;
  FinishRequest(*sequence->request, ReasonOf(sequence->finished->reason()), tokens);
  return std::nullopt;
}

Pipeline::Why CoordinatorCore::OnClosed(Replica* replica, uint32_t rank,
                                        const proto::SequenceClosed& closed) {
  for (const uint64_t number : closed.sequence()) {
    if (!replica->ledger.Close(number, rank)) continue;
    const auto it = replica->sequences.find(number);
    CHECK_MSG(it != replica->sequences.end(), "sequence {} is reserved and not open", number);
    if (it->second.request)
      return fmt::format("sequence {} was closed before its tokens were complete", number);
    replica->sequences.erase(it);
    replica->prefixes.MakeEvictable(number);
    replica->idle_since = now_;
    replica->pipeline.NoteProgress(now_);
  }
  return std::nullopt;
}

}  // namespace exeunt
