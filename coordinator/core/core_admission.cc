// Admission: which request gets a place in which pipeline, and which has waited too long.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "coordinator/core/coordinator_core.h"
#include "transport/control_limits.h"

namespace exeunt::coordinator {
namespace {

// The token ids in one Admit. They stay far below the limit of a control message.
constexpr size_t kMaxAdmitTokens = size_t{1} << 18;

// Returns the token ids of the prompt and of the settings that change its logits.
size_t TokenIdsOf(const SequenceRequest& record) {
  const SamplingParams& sampling = record.sampling;
  size_t ids = record.prompt.size() + record.generated.size() + sampling.allowed_tokens.size() +
               sampling.logit_bias.size();
  for (const auto& word : sampling.bad_words) ids += word.size();
  return ids;
}

}  // namespace

void CoordinatorCore::On(RequestArrived& event) {
  const RequestId id = event.id;
  CHECK_MSG(!requests_.contains(id), "request {} arrives twice", id);
  if (auto refusal = Refusal(id, event.request)) return Emit(std::move(*refusal));
  Request& request = requests_[id];
  request.record = std::move(event.request);
  request.arrived = now_;
  queue_.Push({id, request.record.client, request.record.priority, Positions(request.record)});
  Schedule(id, &request);
  try_admission_ = true;
  AdmitQueued();
  if (queue_.size() > config_.max_queue) RefuseSurplus();
}

void CoordinatorCore::RefuseSurplus() {
  const RequestId id = queue_.Surplus();
  const size_t of_client = queue_.SizeOf(requests_.at(id).record.client);
  FailRequest(id, FailureKind::kQueueFull,
              fmt::format("{} requests are waiting, {} of them of this client; the limit is {}; please try "
                          "again later",
                          queue_.size() - 1, of_client - 1, config_.max_queue));
}

std::optional<RequestFailed> CoordinatorCore::Refusal(RequestId id, const SequenceRequest& record) const {
  if (draining_) return RequestFailed{id, FailureKind::kShuttingDown, "the server is shutting down"};
  if (Positions(record) > config_.context_length) {
    return RequestFailed{
        id, FailureKind::kContextLength,
        fmt::format("This model's maximum context length is {} tokens, but {} were requested "
                    "({} in the prompt, {} for the completion).",
                    config_.context_length, Positions(record), record.prompt.size(), record.max_tokens)};
  }
  if (record.prompt.size() > transport::kMaxPromptTokens) {
    return RequestFailed{id, FailureKind::kContextLength,
                         fmt::format("The prompt has {} tokens; a sequence takes at most {}.",
                                     record.prompt.size(), transport::kMaxPromptTokens)};
  }
  const uint64_t capacity = LargestCapacityTokens();
  if (capacity > 0 && Positions(record) > capacity) {
    return RequestFailed{
        id, FailureKind::kTooLarge,
        fmt::format("The request needs K/V memory for {} tokens (prompt and max_tokens), but the "
                    "whole KV budget of a pipeline holds {}.",
                    Positions(record), capacity)};
  }
  if (!ready()) return RequestFailed{id, FailureKind::kNoPipeline, "no pipeline is ready; please try again"};
  return std::nullopt;
}

uint64_t CoordinatorCore::LargestCapacityTokens() const {
  uint64_t largest = 0;
  for (const Replica& replica : replicas_) {
    largest = std::max(largest, replica.known_capacity_pages * replica.known_page_tokens);
  }
  return largest;
}

// Returns the least loaded pipeline that has a place. Of equal ones it is the pipeline with the longest
// shared prefix.
CoordinatorCore::Place CoordinatorCore::ChooseReplica(const SequenceRequest& record) {
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

// Admits in the queue's order until a request finds no place. Then admits the requests that may pass it.
// There is nothing to try if nothing relevant has changed since the last try.
void CoordinatorCore::AdmitQueued() {
  if (!std::exchange(try_admission_, false)) return;
  while (const auto head = queue_.Head()) {
    const uint64_t positions = Positions(requests_.at(*head).record);
    if (const uint64_t capacity = LargestCapacityTokens(); capacity > 0 && positions > capacity) {
      FailRequest(*head, FailureKind::kTooLarge,
                  fmt::format("The request needs K/V memory for {} tokens, but a restarted "
                              "pipeline holds {}.",
                              positions, capacity));
    } else if (!TryAdmit(*head)) {
      queue_.Hold();
      while (AdmitAPasser()) {
      }
      return;
    }
  }
}

bool CoordinatorCore::AdmitAPasser() {
  const std::vector<RequestId> passers = queue_.Passers();
  return std::any_of(passers.begin(), passers.end(), [this](RequestId id) { return TryAdmit(id); });
}

bool CoordinatorCore::TryAdmit(RequestId id) {
  ++places_sought_;
  Request& request = requests_.at(id);
  const Place place = ChooseReplica(request.record);
  if (place.replica == nullptr) return false;
  queue_.Admit(id);
  request.pipeline = place.replica->pipeline.index();
  request.sequence = OpenIn(place, request.record, id);
  Schedule(id, &request);
  Emit(RequestAdmitted{id, request.pipeline, place.shared.tokens});
  return true;
}

uint64_t CoordinatorCore::OpenIn(const Place& place, const SequenceRequest& record,
                                 std::optional<RequestId> request) {
  Replica* replica = place.replica;
  MakeRoom(replica, Positions(record), place.shared);
  const uint64_t number = replica->next_sequence++;
  replica->ledger.Reserve(number, static_cast<uint32_t>(Positions(record)), place.shared);
  const uint32_t retained = HoldPrompt(replica, number, record, place.shared);
  if (replica->sequences.empty()) replica->pipeline.NoteProgress(now_);
  replica->sequences.emplace(number, OpenSequence(record, request, now_));
  ++replica->opened;
  const size_t ids = TokenIdsOf(record);
  if (replica->pending_tokens + ids > kMaxAdmitTokens) SendPending(replica);
  replica->pending.open.push_back({number, record, place.shared, retained});
  replica->pending_tokens += ids;
  return number;
}

// Sends the admissions of this step in one message to stage 0, and doorbells to the other stages.
void CoordinatorCore::SendPending(Replica* replica) {
  if (replica->pending.open.empty()) return;
  replica->pending_tokens = 0;
  SendTo(*replica, 0, std::exchange(replica->pending, {}));
  RingOthers(*replica);
}

// Stage 0 counts the sequences that it is told to open.
void CoordinatorCore::RingOthers(const Replica& replica) {
  for (uint32_t rank = 1; rank < config_.stages; ++rank) {
    SendTo(replica, rank, to_worker::Doorbell{replica.opened});
  }
}

// Notes when time alone will next change something for the request.
void CoordinatorCore::Schedule(RequestId id, Request* request) {
  due_.erase({request->due, id});
  request->due = request->deadline();
  if (request->sequence == 0) {
    const bool to_promote = !request->promoted && request->record.priority != kBackgroundPriority;
    const Duration waits = to_promote ? config_.queue_timeout / 2 : config_.queue_timeout;
    request->due = std::min(request->due, request->arrived + waits);
  }
  if (request->due != kNever) due_.emplace(request->due, id);
}

void CoordinatorCore::HandleDue() {
  while (!due_.empty() && due_.begin()->first <= now_) {
    const RequestId id = due_.begin()->second;
    Request& request = requests_.at(id);
    if (request.deadline() <= now_) {
      const char* was = request.sequence == 0 ? "waited for a place" : "was being answered";
      CancelSequence(request);
      FailRequest(id, FailureKind::kDeadline,
                  fmt::format("the request's 'timeout' of {:.6g} s passed while it {}",
                              Seconds(*request.record.timeout), was));
    } else if (now_ - request.arrived >= config_.queue_timeout) {
      FailRequest(id, FailureKind::kQueueTimeout,
                  fmt::format("no place in a pipeline within {:.0f} s", Seconds(config_.queue_timeout)));
    } else {
      queue_.Promote(id);
      request.promoted = true;
      try_admission_ = true;
      Schedule(id, &request);
    }
  }
}

}  // namespace exeunt::coordinator
