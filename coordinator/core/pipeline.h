// Pipeline: the health of one job of P ranks, as the coordinator sees it: its state, epoch, ranks, and the
// deadlines that end it. It knows nothing of requests.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/core/core_config.h"
#include "coordinator/core/types.h"

namespace exeunt::coordinator {

struct RankHealth {
  bool connected = false;
  bool ready = false;
  TimePoint heard;  // any message
  uint64_t progress = 0;
  bool busy = false;
  TimePoint progress_at;  // when the counter last moved, or the rank last said that it is not busy
  float load_fraction = 0.0F;
  std::string load_what;
  from_worker::Ready loaded;        // once ready
  from_worker::StageReport report;  // the newest
};

// Not thread-safe. Methods that return a reason say why the job must end now; the caller then calls End.
class Pipeline {
 public:
  using Why = std::optional<std::string>;

  Pipeline(uint32_t index, const CoreConfig* config) : index_(index), config_(config) {}

  // A new job under a new epoch.
  void Start(TimePoint now, uint64_t epoch);
  void OnConnected(TimePoint now, uint32_t rank);
  // Any message of a rank; takes what concerns its health.
  Why OnMessage(TimePoint now, uint32_t rank, const FromWorker& message);
  // A token came out, or a sequence went in: the watchdog of the whole pipeline starts anew.
  void NoteProgress(TimePoint now) { progress_at_ = now; }
  // A whole request came through: it may serve.
  void SetVerified() { verified_ = true; }
  Why CheckDeadlines(TimePoint now, bool sequences_open);
  // The coordinator itself stood still for `gap`: its workers are not to blame.
  void Forgive(Duration gap);

  // The job was told to end; or (Exited) it is gone, and is started again after a back-off, or never
  // (`stop`).
  void End(TimePoint now, const std::string& why);
  void Exited(TimePoint now, const std::string& why, bool stop);
  bool StartDue(TimePoint now) const { return state_ == PipelineState::kBackoff && now >= deadline_; }
  bool EndOverdue(TimePoint now) const { return state_ == PipelineState::kEnding && now >= deadline_; }

  uint32_t index() const { return index_; }
  uint64_t epoch() const { return epoch_; }
  PipelineState state() const { return state_; }
  // A job runs that was not told to end.
  bool active() const {
    return state_ == PipelineState::kStarting || state_ == PipelineState::kLoading ||
           state_ == PipelineState::kReady;
  }
  bool loaded() const { return state_ == PipelineState::kReady; }
  bool verified() const { return loaded() && verified_; }
  const std::vector<RankHealth>& ranks() const { return ranks_; }
  uint64_t restarts() const { return restarts_; }
  const std::string& last_error() const { return last_error_; }
  TimePoint progress_at() const { return progress_at_; }
  uint64_t kv_pages() const;  // the smallest stage's, once loaded
  uint32_t page_tokens() const { return ranks_.front().loaded.page_tokens; }

 private:
  Why OnReady(TimePoint now, uint32_t rank, const from_worker::Ready& ready);
  void OnLoadProgress(TimePoint now, uint32_t rank, const from_worker::LoadProgress& progress);
  void OnHeartbeat(TimePoint now, uint32_t rank, const from_worker::Heartbeat& beat);
  void StandDown(const std::string& why);
  void UpdateBackoff(TimePoint now);

  uint32_t index_;
  const CoreConfig* config_;
  PipelineState state_ = PipelineState::kBackoff;  // due at once
  uint64_t epoch_ = 0;
  TimePoint deadline_;  // starting, loading: to be ready; ending: to exit; backoff: to start
  TimePoint ready_at_;
  TimePoint progress_at_;
  bool verified_ = false;
  Duration backoff_{0};
  uint64_t restarts_ = 0;
  std::string last_error_;
  std::vector<RankHealth> ranks_;
};

}  // namespace exeunt::coordinator
