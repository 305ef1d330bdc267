// Pipeline is the health of one job of P ranks. It has the state, the epoch, the ranks, and the deadlines
// that end the job. It knows nothing of requests.
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
  TimePoint heard;  // time of the last message
  uint64_t progress = 0;
  bool busy = false;
  // The time when the counter last moved, or when the rank last said that it is not busy.
  TimePoint progress_at;
  float load_fraction = 0.0F;
  std::string load_what;
  from_worker::Ready loaded;        // once ready
  from_worker::StageReport report;  // newest report
};

// Not thread-safe. Methods that return a reason say why the job must end. The caller must then call End.
class Pipeline {
 public:
  using Why = std::optional<std::string>;

  Pipeline(uint32_t index, const CoreConfig* config) : index_(index), config_(config) {}

  // Starts a new job under a new epoch.
  void Start(TimePoint now, uint64_t epoch);
  void OnConnected(TimePoint now, uint32_t rank);
  // Takes what concerns the health from any message of a rank.
  Why OnMessage(TimePoint now, uint32_t rank, const FromWorker& message);
  // A token arrived or a sequence was opened. The watchdog of the whole pipeline starts anew.
  void NoteProgress(TimePoint now) { progress_at_ = now; }
  // A whole request has succeeded. The pipeline may serve.
  void SetVerified() { verified_ = true; }
  Why CheckDeadlines(TimePoint now, bool sequences_open);
  // The coordinator itself stood still for `gap`. Its workers get that time back.
  void Forgive(Duration gap);

  // End: the job was told to end. Exited: the job is gone. It is started again after a back-off, or never if
  // `stop`.
  void End(TimePoint now, const std::string& why);
  void Exited(TimePoint now, const std::string& why, bool stop);
  bool StartDue(TimePoint now) const { return state_ == PipelineState::kBackoff && now >= deadline_; }
  bool EndOverdue(TimePoint now) const { return state_ == PipelineState::kEnding && now >= deadline_; }

  uint32_t index() const { return index_; }
  uint64_t epoch() const { return epoch_; }
  PipelineState state() const { return state_; }
  // Returns whether a job runs that was not told to end.
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
  uint64_t kv_pages() const;  // pages of the smallest stage, once loaded
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
  // Starting, loading: limit to be ready; ending: limit to exit; backoff: time of the next start.
  TimePoint deadline_;
  TimePoint ready_at_;
  TimePoint progress_at_;
  bool verified_ = false;
  Duration backoff_{0};
  uint64_t restarts_ = 0;
  std::string last_error_;
  std::vector<RankHealth> ranks_;
};

}  // namespace exeunt::coordinator
