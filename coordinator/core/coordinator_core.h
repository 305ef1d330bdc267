// CoordinatorCore decides which request gets which pipeline, in which order tokens reach a client, and when a
// job is ended and started again. It is a pure state machine. Events and the time go in, actions come out.
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

// A sequence of a pipeline that at least one stage has not closed yet.
struct OpenSequence {
  // A sequence without a request is the canary.
  OpenSequence(const SequenceRequest& record, std::optional<RequestId> request_id, TimePoint now)
      : request(request_id),
        canary(!request_id),
        max_tokens(static_cast<uint32_t>(record.max_tokens)),
        order(static_cast<uint32_t>(record.prompt.size()), max_tokens),
        scores_due(record.score_from == 0 ? 0
                                          : static_cast<uint32_t>(record.prompt.size()) -
                                                static_cast<uint32_t>(record.score_from)),
        opened_at(now) {}

  std::optional<RequestId> request;  // none for the canary or for a request that has ended
  bool canary;
  uint32_t max_tokens;
  TokenOrder order;
  uint32_t scores_due;
  TimePoint opened_at;
  // A stage reported a failure, or the sequence shares K/V with one that failed. No other may share with it.
  bool failed = false;
  std::optional<from_worker::SequenceFinished> finished;
};

// A pipeline with its sequences and its K/V.
struct Replica {
  explicit Replica(Pipeline its_pipeline) : pipeline(std::move(its_pipeline)) {}

  Pipeline pipeline;
  KvLedger ledger;
  PrefixCache prefixes;
  std::map<uint64_t, OpenSequence> sequences;
  uint64_t next_sequence = 1;
  uint64_t opened = 0;       // sequences that were admitted in this epoch and not refused
  to_worker::Admit pending;  // message to send at the end of this step
  size_t pending_tokens = 0;
  uint64_t known_capacity_pages = 0;  // capacity in the last epoch that loaded
  uint32_t known_page_tokens = 0;
  TimePoint idle_since;
};

// Not thread-safe. No threads, sockets or clocks. Memory is bounded: max_queue requests wait, max_sequences
// are open in each pipeline. Every accepted request ends with exactly one RequestFinished or RequestFailed. A
// refused request gets one RequestFailed. Messages of an old epoch change nothing. Reservations never exceed
// a pipeline's capacity.
class CoordinatorCore {
 public:
  explicit CoordinatorCore(const CoreConfig& config);
  CoordinatorCore(const CoordinatorCore&) = delete;
  CoordinatorCore& operator=(const CoordinatorCore&) = delete;

  std::vector<CoreAction> Step(TimePoint now, std::vector<CoreEvent> events);

  // Returns whether at least one pipeline has loaded every stage and has passed its canary. It is false while
  // draining.
  bool ready() const;
  bool draining() const { return draining_; }
  size_t queued() const { return queue_.size(); }
  size_t running() const { return requests_.size() - queue_.size(); }
  const AdmissionQueue& queue() const { return queue_; }
  // Returns the arrival of the request that has waited longest, or nullopt if none waits.
  std::optional<TimePoint> oldest_arrival() const;
  // Events that were dropped because of an old generation, a duplicate or a closed sequence.
  uint64_t stale_events() const { return stale_events_; }
  // The number of searches for a place. There is no new search before something has changed.
  uint64_t places_sought() const { return places_sought_; }
  const std::vector<Replica>& replicas() const { return replicas_; }
  const CoreConfig& config() const { return config_; }

 private:
  static constexpr TimePoint kNever{Duration::max()};
  struct Request {
    SequenceRequest record;
    TimePoint arrived;
    TimePoint due = kNever;  // time in due_
    bool promoted = false;   // whether it has waited for half of the queue's limit
    uint32_t pipeline = 0;
    uint64_t sequence = 0;  // 0 while it waits in the queue

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

  // Admission (core_admission.cc).
  std::optional<RequestFailed> Refusal(RequestId id, const SequenceRequest& record) const;
  void RefuseSurplus();
  void AdmitQueued();
  bool AdmitAPasser();
  bool TryAdmit(RequestId id);
  struct Place {
    Replica* replica = nullptr;  // nullptr if there is no place
    SharedPrefix shared;
  };
  Place ChooseReplica(const SequenceRequest& record);
  uint64_t LargestCapacityTokens() const;  // 0 if no capacity is known yet
  // A sequence without a request is the canary.
  uint64_t OpenIn(const Place& place, const SequenceRequest& record, std::optional<RequestId> request);
  void SendPending(Replica* replica);
  void RingOthers(const Replica& replica);
  void Schedule(RequestId id, Request* request);
  void HandleDue();

  // Ends of requests (core_requests.cc).
  uint32_t CancelSequence(const Request& request);
  void Abandon(RequestId id);
  void Forget(RequestId id);
  void FinishRequest(RequestId id, EndReason reason, uint32_t tokens);
  void FailRequest(RequestId id, FailureKind kind, std::string message);

  // Tokens (core_requests.cc). They return a reason if the worker breaks the protocol.
  Pipeline::Why OnTokens(Replica* replica, from_worker::Tokens* tokens);
  Pipeline::Why OnScores(Replica* replica, from_worker::Scores* scores);
  Pipeline::Why OnFinished(Replica* replica, uint32_t rank, const from_worker::SequenceFinished& finished);
  Pipeline::Why OnRefused(Replica* replica, uint32_t rank, const from_worker::SequenceRefused& refused);
  Pipeline::Why OnFailed(Replica* replica, uint32_t rank, const from_worker::SequenceFailed& failed);
  Pipeline::Why OnClosed(Replica* replica, uint32_t rank, const from_worker::SequencesClosed& closed);
  Pipeline::Why TryFinish(Replica* replica, uint64_t number, OpenSequence* sequence);

  // Shared and retained prefixes (core_prefixes.cc).
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

  // Supervision (coordinator_core.cc).
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
  AdmissionQueue queue_;                           // requests_ that wait
  std::set<std::pair<TimePoint, RequestId>> due_;  // when time alone changes something for a request
  bool try_admission_ = false;                     // whether something has changed that may give a place
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
