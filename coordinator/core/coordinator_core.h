// CoordinatorCore: who gets which pipeline, in which order tokens reach a client, and when a job is ended and
// started again. A pure state machine: events and the time in, actions out.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/core/admission_queue.h"
#include "coordinator/core/core_config.h"
#include "coordinator/core/kv_ledger.h"
#include "coordinator/core/pipeline.h"
#include "coordinator/core/prefix_cache.h"
#include "coordinator/core/token_order.h"
#include "coordinator/core/types.h"

namespace exeunt::coordinator {

// One sequence that is open in a pipeline: until every stage has closed it.
struct OpenSequence {
  // No request: the canary.
  OpenSequence(const SequenceRequest& record, std::optional<RequestId> request_id, TimePoint now)
      : request(request_id),
        canary(!request_id),
        max_tokens(static_cast<uint32_t>(record.max_tokens)),
        order(static_cast<uint32_t>(record.prompt.size()), max_tokens),
        scores_due(record.score_from == 0 ? 0
                                          : static_cast<uint32_t>(record.prompt.size()) -
                                                static_cast<uint32_t>(record.score_from)),
        opened_at(now) {}

  std::optional<RequestId> request;  // none: the canary, or a request that has ended
  bool canary;
  uint32_t max_tokens;
  TokenOrder order;
  uint32_t scores_due;
  TimePoint opened_at;
  bool failed = false;  // on a stage, or it shares K/V with one that failed: nobody may share with it
  std::optional<from_worker::SequenceFinished> finished;
};

// A pipeline and what it is doing.
struct Replica {
  explicit Replica(Pipeline its_pipeline) : pipeline(std::move(its_pipeline)) {}

  Pipeline pipeline;
  KvLedger ledger;
  PrefixCache prefixes;
  std::map<uint64_t, OpenSequence> sequences;
  uint64_t next_sequence = 1;
  uint64_t opened = 0;       // admitted in this epoch and not refused
  to_worker::Admit pending;  // to be sent at the end of this step
  size_t pending_tokens = 0;
  uint64_t known_capacity_pages = 0;  // of the last epoch that loaded
  uint32_t known_page_tokens = 0;
  TimePoint idle_since;
};

// Not thread-safe; no threads, sockets or clocks. Bounded memory: max_queue requests wait, max_sequences are
// open in each pipeline. Contract: every accepted request ends with exactly one RequestFinished or
// RequestFailed, and a refused one with one RequestFailed; messages of an old epoch change nothing;
// reservations never exceed a pipeline's capacity.
class CoordinatorCore {
 public:
  explicit CoordinatorCore(const CoreConfig& config);
  CoordinatorCore(const CoordinatorCore&) = delete;
  CoordinatorCore& operator=(const CoordinatorCore&) = delete;

  std::vector<CoreAction> Step(TimePoint now, std::vector<CoreEvent> events);

  // At least one pipeline has loaded every stage and has shown that a token comes through; not draining.
  bool ready() const;
  bool draining() const { return draining_; }
  size_t queued() const { return queue_.size(); }
  size_t running() const { return requests_.size() - queue_.size(); }
  const AdmissionQueue& queue() const { return queue_; }
  // Of the request that has waited the longest; nullopt: none waits.
  std::optional<TimePoint> oldest_arrival() const;
  // Events that were dropped: of an old generation, doubled, or of a sequence that is closed.
  uint64_t stale_events() const { return stale_events_; }
  // How often a place was looked for: not again before something has changed.
  uint64_t places_sought() const { return places_sought_; }
  const std::vector<Replica>& replicas() const { return replicas_; }
  const CoreConfig& config() const { return config_; }

 private:
  static constexpr TimePoint kNever{Duration::max()};
  struct Request {
    SequenceRequest record;
    TimePoint arrived;
    TimePoint due = kNever;  // as it stands in due_
    bool promoted = false;   // has waited for half of the queue's limit
    uint32_t pipeline = 0;
    uint64_t sequence = 0;  // 0: waits in the queue

    TimePoint deadline() const { return record.timeout ? arrived + *record.timeout : kNever; }
  };

  void On(RequestArrived& event);
  void On(ClientGone& event) { Abandon(event.id); }
  void On(StopRequest& event) { Abandon(event.id); }
  void On(WorkerConnected& event);
  void On(WorkerLost& event);
  void On(WorkerMessage& event);
  void On(PipelineExited& event);
  void On(Tick&);
  void On(Drain&);

  // Admission (core_admission.cc)
  std::optional<RequestFailed> Refusal(RequestId id, const SequenceRequest& record) const;
  void RefuseSurplus();
  void AdmitQueued();
  bool AdmitAPasser();
  bool TryAdmit(RequestId id);
  struct Place {
    Replica* replica = nullptr;  // none now
    SharedPrefix shared;
  };
  Place ChooseReplica(const SequenceRequest& record);
  uint64_t LargestCapacityTokens() const;  // 0: none is known yet
  // Without a request: the canary.
  uint64_t OpenIn(const Place& place, const SequenceRequest& record, std::optional<RequestId> request);
  void SendPending(Replica* replica);
  void RingOthers(const Replica& replica);
  void Schedule(RequestId id, Request* request);
  void HandleDue();

  // Ends (core_requests.cc)
  uint32_t CancelSequence(const Request& request);
  void Abandon(RequestId id);
  void Forget(RequestId id);
  void FinishRequest(RequestId id, EndReason reason, uint32_t tokens);
  void FailRequest(RequestId id, FailureKind kind, std::string message);

  // Tokens (core_requests.cc); a reason is returned when the worker breaks the protocol.
  Pipeline::Why OnTokens(Replica* replica, from_worker::Tokens* tokens);
  Pipeline::Why OnScores(Replica* replica, from_worker::Scores* scores);
  Pipeline::Why OnFinished(Replica* replica, uint32_t rank, const from_worker::SequenceFinished& finished);
  Pipeline::Why OnRefused(Replica* replica, uint32_t rank, const from_worker::SequenceRefused& refused);
  Pipeline::Why OnFailed(Replica* replica, uint32_t rank, const from_worker::SequenceFailed& failed);
  Pipeline::Why OnClosed(Replica* replica, uint32_t rank, const from_worker::SequencesClosed& closed);
  Pipeline::Why TryFinish(Replica* replica, uint64_t number, OpenSequence* sequence);

  // Prompts that begin alike (core_prefixes.cc)
  std::optional<SharedPrefix> PlaceIn(const Replica& replica, const SequenceRequest& record) const;
  uint32_t SharableTokens(const Replica& replica, const SequenceRequest& record) const;
  void MakeRoom(Replica* replica, uint64_t positions, const SharedPrefix& shared);
  uint32_t HoldPrompt(Replica* replica, uint64_t sequence, const SequenceRequest& record,
                      const SharedPrefix& shared);
  Pipeline::Why LeavePrompt(Replica* replica, const from_worker::SequenceFinished& finished, bool failed);
  void DropPrompt(Replica* replica, uint64_t sequence);

  template <typename Action>
  void Emit(Action action) {
    actions_.emplace_back(std::in_place_type<Action>, std::move(action));
  }

  // Supervision (coordinator_core.cc)
  Replica* Current(uint32_t pipeline, uint64_t epoch);
  Pipeline::Why Dispatch(Replica* replica, WorkerMessage* event);
  void Loaded(Replica* replica);
  void Supervise(Replica* replica);
  void RunCanary(Replica* replica);
  Pipeline::Why CheckCanary(const Replica& replica) const;
  void FlushOldBacklog(Replica* replica);
  void EndJob(Replica* replica, const std::string& why);
  void FailSequences(Replica* replica, const std::string& why);
  void StepDrain();
  void SendTo(const Replica& replica, uint32_t rank, ToWorker message);
  void SendToAll(const Replica& replica, const ToWorker& message);

  const CoreConfig config_;
  uint64_t next_epoch_;
  std::vector<Replica> replicas_;
  std::map<RequestId, Request> requests_;
  AdmissionQueue queue_;                           // of requests_
  std::set<std::pair<TimePoint, RequestId>> due_;  // when time alone changes something for a request
  bool try_admission_ = false;  // something has changed since the last try that may give a place
  uint64_t stale_events_ = 0;
  uint64_t places_sought_ = 0;
  bool draining_ = false;
  bool shutdown_sent_ = false;
  bool drained_ = false;
  TimePoint drain_deadline_;
  TimePoint end_at_;

  TimePoint now_;
  std::optional<TimePoint> last_tick_;
  std::vector<CoreAction> actions_;
};

}  // namespace exeunt::coordinator
