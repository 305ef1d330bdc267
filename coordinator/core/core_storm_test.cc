// A seeded storm of requests, cancels, crashes, overtaking and stale messages, against a model of the rules:
// every request ends exactly once and no later than its own limits say, tokens come in order and are the
// request's own, reservations stay within the capacity and return to zero, sequence numbers are never used
// twice in an epoch, and what has failed is shared with nobody and not kept.
#include <gtest/gtest.h>

#include <set>

#include "coordinator/core/testing/core_harness.h"
#include "coordinator/core/testing/fake_job.h"

namespace exeunt::coordinator {
namespace {

constexpr uint32_t kPipelines = 2;

struct ClientView {
  uint32_t prompt = 0;
  uint64_t positions = 0;
  uint32_t tokens = 0;
  uint32_t scores_due = 0;
  bool ended = false;
  bool abandoned = false;
  TimePoint arrived;
  std::optional<Duration> timeout;
  bool admitted = false;
};

class Storm {
 public:
  explicit Storm(uint32_t seed) : dice_(seed), core_(Config()) {}

  void Run(int steps) {
    for (int i = 0; i < steps; ++i) Turn(/*arrivals=*/true);
    for (int i = 0; i < 4000 && !Quiet(); ++i) Turn(/*arrivals=*/false);
    EXPECT_EQ(core_.running() + core_.queued(), 0U);
    for (const auto& [id, client] : clients_) EXPECT_TRUE(client.ended) << "request " << id << " is lost";
    for (const Replica& replica : core_.replicas()) {
      EXPECT_EQ(replica.ledger.reserved_pages(), 0U);
      const FakeJob* job = Find(replica.pipeline.index(), replica.pipeline.epoch());
      if (job != nullptr && job->alive && replica.pipeline.loaded()) {
        EXPECT_EQ(replica.ledger.cached_pages(), *job->live_pages);
        for (const uint64_t number : job->failed) EXPECT_FALSE(job->held.contains(number));
      }
    }
  }
  // That the storm was one.
  size_t requests() const { return clients_.size(); }
  std::map<std::string, int> seen;

 private:
  static CoreConfig Config() {
    CoreConfig config;
    config.pipelines = kPipelines;
    config.stages = kStages;
    config.context_length = 60;
    config.max_queue = 5;
    config.max_sequences = 3;
    config.queue_timeout = std::chrono::seconds(20);
    return config;
  }
  uint32_t Draw(uint32_t below) { return dice_.Below(below); }
  bool OneIn(uint32_t n) { return dice_.OneIn(n); }

  bool Quiet() const {
    if (core_.running() + core_.queued() > 0) return false;
    for (const Replica& replica : core_.replicas()) {
      if (!replica.sequences.empty()) return false;
    }
    return true;
  }

  void Turn(bool arrivals) {
    now_ = now_ + std::chrono::milliseconds(1 + Draw(200));
    std::vector<CoreEvent> events;
    events.emplace_back(Tick{});
    if (arrivals && OneIn(3)) events.emplace_back(Arrival());
    if (OneIn(6) && !clients_.empty()) events.emplace_back(Abandon());
    for (FakeJob& job : jobs_) JobTurn(&job, arrivals, &events);
    std::erase_if(jobs_, [](const FakeJob& job) {
      return !job.alive &&
             std::all_of(job.out.begin(), job.out.end(), [](const auto& q) { return q.empty(); });
    });
    for (const CoreAction& action : core_.Step(now_, std::move(events))) {
      std::visit([this](const auto& a) { On(a); }, action);
    }
    for (const FakeJob& job : jobs_) ASSERT_TRUE(!job.alive || job.rung == job.opened);
    for (const Replica& replica : core_.replicas()) {
      std::set<uint32_t> open;
      for (const auto& [number, kv] : replica.ledger.sequences())
        open.insert(kv.pages.begin(), kv.pages.end());
      ASSERT_EQ(open.size(), replica.ledger.reserved_pages());
      ASSERT_LE(replica.ledger.reserved_pages() + replica.ledger.cached_pages(),
                replica.ledger.capacity_pages());
      ASSERT_LE(replica.sequences.size(), 3U);
    }
    ASSERT_LE(core_.queued(), 5U);
    CheckWaiting();
  }
  // Nobody is past a limit, and the next one waits for want of a place.
  void CheckWaiting() {
    size_t waiting = 0;
    for (const auto& [id, client] : clients_) {
      if (client.ended) continue;
      ASSERT_TRUE(!client.timeout || now_ - client.arrived < *client.timeout);
      ASSERT_TRUE(client.admitted || now_ - client.arrived < core_.config().queue_timeout);
      waiting += client.admitted ? 0 : 1;
    }
    ASSERT_EQ(core_.queued(), waiting);
    if (waiting == 0) return;
    const ClientView& next = clients_.at(*core_.queue().Head());
    for (const Replica& replica : core_.replicas()) {
      const bool open =
          replica.pipeline.verified() && replica.sequences.size() < core_.config().max_sequences;
      ASSERT_FALSE(open && replica.ledger.FitsAfterEviction(next.positions, {})) << "nobody has tried";
    }
  }

  CoreEvent Arrival() {
    SequenceRequest record;
    const RequestId id = ++last_id_;
    // Some larger than the context, some larger than the budget; many begin alike.
    record.prompt.assign(1 + Draw(40), -1 - static_cast<int32_t>(Draw(3)));
    record.prompt.back() = static_cast<int32_t>(id);
    record.max_tokens = static_cast<int>(1 + Draw(24));
    record.client = std::string(1, static_cast<char>('a' + Draw(3)));
    record.priority = static_cast<int>(Draw(3)) - 1;
    if (OneIn(4)) record.timeout = std::chrono::milliseconds(1 + Draw(15'000));
    ClientView& client = clients_[id];
    client.prompt = static_cast<uint32_t>(record.prompt.size());
    client.positions = Positions(record);
    client.arrived = now_;
    client.timeout = record.timeout;
    if (OneIn(3)) {
      const uint32_t score_from = client.prompt / 2;
      record.score_from = static_cast<int>(score_from);
      client.scores_due = score_from == 0 ? 0 : client.prompt - score_from;
    }
    return RequestArrived{id, std::move(record)};
  }
  CoreEvent Abandon() {
    const RequestId id = 1 + Draw(static_cast<uint32_t>(last_id_));
    clients_[id].abandoned = true;
    if (OneIn(2)) return StopRequest{id};
    return ClientGone{id};
  }

  void JobTurn(FakeJob* job, bool crashes, std::vector<CoreEvent>* events) {
    job->said_failed.merge(std::exchange(job->failed_now, {}));
    if (job->alive && crashes && OneIn(150)) {
      job->alive = false;
      ++seen["crash"];
      events->emplace_back(PipelineExited{job->pipeline, job->epoch, "signal 9"});
    }
    if (job->alive && job->connected < kStages && OneIn(2)) {
      events->emplace_back(WorkerConnected{job->pipeline, job->epoch, job->connected});
      job->Connect();
    }
    if (job->alive) job->Generate();
    for (uint32_t rank = 0; rank < kStages; ++rank) {
      if (job->alive && rank < job->connected) {
        const from_worker::Heartbeat beat{.progress = ++job->progress};
        events->emplace_back(WorkerMessage{job->pipeline, job->epoch, rank, beat});
      }
      // A dead job's messages may arrive late: they are stale.
      for (uint32_t n = Draw(4); n > 0 && !job->out[rank].empty(); --n) {
        const FromWorker& next = job->out[rank].front();
        if (std::holds_alternative<from_worker::SequenceRefused>(next)) --job->opened;
        if (const auto* failed = std::get_if<from_worker::SequenceFailed>(&next)) {
          job->failed_now.insert(failed->sequence);
        }
        events->emplace_back(
            WorkerMessage{job->pipeline, job->epoch, rank, std::move(job->out[rank].front())});
        job->out[rank].pop_front();
      }
    }
  }

  FakeJob* Find(uint32_t pipeline, uint64_t epoch) {
    for (FakeJob& job : jobs_) {
      if (job.pipeline == pipeline && job.epoch == epoch) return &job;
    }
    return nullptr;
  }

  void On(const StartPipeline& start) {
    ASSERT_TRUE(epochs_.insert(start.epoch).second) << "an epoch is used twice";
    FakeJob& job = jobs_.emplace_back(&dice_);
    job.pipeline = start.pipeline;
    job.epoch = start.epoch;
    ++seen["start"];
  }
  void On(const EndPipeline& end) { FAIL() << "no job misbehaves here, and yet: " << end.why; }
  void On(const SendToWorker& send) {
    FakeJob* job = Find(send.pipeline, send.epoch);
    if (job == nullptr || !job->alive) return;
    if (const auto* admit = std::get_if<to_worker::Admit>(&send.message)) {
      ASSERT_EQ(send.rank, 0U);
      for (const to_worker::OpenSequence& open : admit->open) {
        ASSERT_TRUE(numbers_.insert({send.pipeline, send.epoch, open.sequence}).second)
            << "a number is used twice";
        ++job->opened;
        const bool canary = open.request.prompt == std::vector{core_.config().canary_token};
        if (!canary && OneIn(12)) {
          job->Refuse(open);
          continue;
        }
        job->TakePages(open);
        if (open.shared.sequence != 0) ++seen["shared"];
        job->open[open.sequence] = open;
      }
    } else if (const auto* evict = std::get_if<to_worker::Evict>(&send.message)) {
      ASSERT_EQ(send.rank, 0U);
      for (const uint64_t number : evict->sequences) {
        ASSERT_FALSE(job->open.contains(number)) << "evicted while it is open";
        ASSERT_EQ(job->held.erase(number), 1U) << "it has left nothing behind";
        job->pages.erase(number);
        ++seen[job->failed.contains(number) ? "evicted because it had failed" : "evicted"];
      }
    } else if (const auto* doorbell = std::get_if<to_worker::Doorbell>(&send.message)) {
      job->rung = doorbell->opened;
    } else if (const auto* cancel = std::get_if<to_worker::Cancel>(&send.message)) {
      ASSERT_EQ(send.rank, 0U);
      for (const uint64_t number : cancel->sequences) {
        ASSERT_TRUE(numbers_.contains({send.pipeline, send.epoch, number}))
            << "cancelled before it was opened";
        if (const auto open = job->open.extract(number); !open.empty()) {
          job->Finish(open.mapped(), job->generated[number], EndReason::kCancelled);
        }
        ++seen["cancel"];
      }
    }
  }
  void On(const RequestAdmitted& admitted) {
    ASSERT_FALSE(clients_.at(admitted.id).ended);
    ASSERT_FALSE(std::exchange(clients_.at(admitted.id).admitted, true)) << "admitted twice";
  }
  void On(const RequestTokens& tokens) {
    ClientView& client = clients_.at(tokens.id);
    ASSERT_FALSE(client.ended) << "tokens after the end";
    for (const TokenEvent& event : tokens.tokens) {
      ASSERT_EQ(event.position, client.prompt + client.tokens);
      ASSERT_EQ(event.token, TokenOf(static_cast<int32_t>(tokens.id), client.tokens));
      ++client.tokens;
    }
  }
  void On(const RequestScores& scores) {
    ClientView& client = clients_.at(scores.id);
    ASSERT_FALSE(client.ended) << "scores after the end";
    for (const PromptScore& score : scores.scores) {
      ASSERT_EQ(score.position, client.prompt - client.scores_due--);
    }
  }
  void On(const RequestFinished& finished) {
    ClientView& client = clients_.at(finished.id);
    ASSERT_FALSE(std::exchange(client.ended, true)) << "ends twice";
    ASSERT_EQ(finished.tokens, client.tokens);
    const bool cancelled = finished.reason == EndReason::kCancelled;
    ASSERT_TRUE(client.abandoned || !cancelled);
    ASSERT_TRUE(cancelled || client.scores_due == 0);
    ++seen[cancelled ? "cancelled" : "finished"];
  }
  void On(const RequestFailed& failed) {
    ClientView& client = clients_.at(failed.id);
    ASSERT_FALSE(std::exchange(client.ended, true)) << "ends twice";
    ASSERT_TRUE(failed.kind != FailureKind::kQueueTimeout || !client.admitted);
    ASSERT_TRUE(failed.kind != FailureKind::kStageFailed || client.admitted);
    if (failed.kind == FailureKind::kDeadline) {
      ASSERT_TRUE(client.timeout && now_ - client.arrived >= *client.timeout);
      ++seen[client.admitted ? "deadline of what ran" : "deadline of what waited"];
    }
    ++seen["failed " + std::to_string(static_cast<int>(failed.kind))];
  }
  void On(const Drained&) { FAIL(); }

  Dice dice_;
  TimePoint now_{std::chrono::seconds(5)};
  CoordinatorCore core_;
  std::vector<FakeJob> jobs_;
  std::map<RequestId, ClientView> clients_;
  std::set<uint64_t> epochs_;
  std::set<std::tuple<uint32_t, uint64_t, uint64_t>> numbers_;
  RequestId last_id_ = 0;
};

TEST(CoreStorm, TheRulesHold) {
  std::map<std::string, int> seen;
  size_t requests = 0;
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Storm storm(seed);
    storm.Run(1500);
    for (const auto& [what, count] : storm.seen) seen[what] += count;
    requests += storm.requests();
    if (HasFatalFailure()) return;
  }
  for (const auto& [what, count] : seen) RecordProperty("seen_" + what, count);
  EXPECT_GT(requests, 10'000U);
  for (const char* what :
       {"crash", "start", "cancel", "cancelled", "finished", "shared", "evicted", "failed 0", "failed 1",
        "failed 2", "failed 3", "failed 4", "failed 8", "failed 9", "evicted because it had failed",
        "deadline of what ran", "deadline of what waited"}) {
    EXPECT_GT(seen[what], 20) << what << " hardly ever happened: the storm tests less than it says";
  }
}

}  // namespace
}  // namespace exeunt::coordinator
