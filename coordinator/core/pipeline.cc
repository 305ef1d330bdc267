#include "coordinator/core/pipeline.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace exeunt::coordinator {
namespace {

constexpr uint64_t kMaxKvPages = uint64_t{1} << 28;  // the ledger has a few bytes for each page

}  // namespace

void Pipeline::Start(TimePoint now, uint64_t epoch) {
  CHECK(state_ == PipelineState::kBackoff);
  CHECK_GT(epoch, epoch_);
  if (epoch_ != 0) ++restarts_;
  epoch_ = epoch;
  state_ = PipelineState::kStarting;
  deadline_ = now + config_->load_timeout;
  verified_ = false;
  ranks_.assign(config_->stages, RankHealth{});
}

void Pipeline::OnConnected(TimePoint now, uint32_t rank) {
  RankHealth& health = ranks_.at(rank);
  health.connected = true;
  health.heard = now;
  health.progress_at = now;
  const bool all = std::all_of(ranks_.begin(), ranks_.end(), [](const auto& r) { return r.connected; });
  if (all && state_ == PipelineState::kStarting) state_ = PipelineState::kLoading;
}

Pipeline::Why Pipeline::OnMessage(TimePoint now, uint32_t rank, const FromWorker& message) {
  ranks_.at(rank).heard = now;
  if (const auto* beat = std::get_if<from_worker::Heartbeat>(&message)) {
    OnHeartbeat(now, rank, *beat);
  } else if (const auto* report = std::get_if<from_worker::StageReport>(&message)) {
    ranks_.at(rank).report = *report;
  } else if (const auto* progress = std::get_if<from_worker::LoadProgress>(&message)) {
    OnLoadProgress(now, rank, *progress);
  } else if (const auto* ready = std::get_if<from_worker::Ready>(&message)) {
    return OnReady(now, rank, *ready);
  } else if (const auto* fatal = std::get_if<from_worker::Fatal>(&message)) {
    return fmt::format("stage {}: {}", rank, fatal->message);
  }
  return std::nullopt;
}

void Pipeline::OnLoadProgress(TimePoint now, uint32_t rank, const from_worker::LoadProgress& progress) {
  RankHealth& health = ranks_.at(rank);
  health.load_what = progress.what;
  if (!(progress.fraction > health.load_fraction) || loaded()) return;  // drops NaN, too
  health.load_fraction = std::min(progress.fraction, 1.0F);
  deadline_ = now + config_->load_timeout;
}

Pipeline::Why Pipeline::OnReady(TimePoint now, uint32_t rank, const from_worker::Ready& ready) {
  if (ready.kv_pages * ready.page_tokens < 2) {  // a canary has two positions
    return fmt::format("stage {} has room for {} K/V pages of {} tokens: the KV budget is too small", rank,
                       ready.kv_pages, ready.page_tokens);
  }
  if (ready.kv_pages > kMaxKvPages) {
    return fmt::format("stage {} has {} K/V pages, the limit is {}", rank, ready.kv_pages, kMaxKvPages);
  }
  RankHealth& health = ranks_.at(rank);
  health.ready = true;
  health.load_fraction = 1.0F;
  health.loaded = ready;
  if (!std::all_of(ranks_.begin(), ranks_.end(), [](const auto& r) { return r.ready; })) return std::nullopt;
  for (const RankHealth& other : ranks_) {
    if (other.loaded.page_tokens != ready.page_tokens) {
      return fmt::format("stages disagree on the tokens of a page: {} and {}", other.loaded.page_tokens,
                         ready.page_tokens);
    }
  }
  if (!loaded()) ready_at_ = now;
  state_ = PipelineState::kReady;
  progress_at_ = now;
  return std::nullopt;
}

void Pipeline::OnHeartbeat(TimePoint now, uint32_t rank, const from_worker::Heartbeat& beat) {
  RankHealth& health = ranks_.at(rank);
  if (beat.progress != health.progress || !beat.busy) health.progress_at = now;
  if (beat.progress != health.progress) progress_at_ = now;
  health.progress = beat.progress;
  health.busy = beat.busy;
}

Pipeline::Why Pipeline::CheckDeadlines(TimePoint now, bool sequences_open) {
  if (!active()) return std::nullopt;
  if (!loaded() && now >= deadline_) {
    return fmt::format("not loaded: no progress for {:.0f} s", Seconds(config_->load_timeout));
  }
  for (size_t rank = 0; rank < ranks_.size(); ++rank) {
    const RankHealth& health = ranks_[rank];
    if (!health.connected) continue;
    if (now - health.heard > config_->heartbeat_timeout) {
      return fmt::format("stage {}: no heartbeat for {:.1f} s", rank, Seconds(now - health.heard));
    }
    if (health.busy && now - health.progress_at > config_->progress_timeout) {
      return fmt::format("stage {}: busy without progress for {:.1f} s", rank,
                         Seconds(now - health.progress_at));
    }
  }
  if (sequences_open && now - progress_at_ > config_->progress_timeout) {
    return fmt::format("no progress for {:.1f} s with requests open", Seconds(now - progress_at_));
  }
  return std::nullopt;
}

void Pipeline::Forgive(Duration gap) {
  for (RankHealth& health : ranks_) {
    health.heard = health.heard + gap;
    health.progress_at = health.progress_at + gap;
  }
  progress_at_ = progress_at_ + gap;
  if (state_ != PipelineState::kBackoff) deadline_ = deadline_ + gap;
}

void Pipeline::UpdateBackoff(TimePoint now) {
  const bool was_healthy = loaded() && now - ready_at_ >= config_->healthy_after;
  backoff_ = was_healthy || backoff_ == Duration(0) ? config_->backoff_min
                                                    : std::min(2 * backoff_, config_->backoff_max);
}

void Pipeline::StandDown(const std::string& why) {
  last_error_ = why;
  ranks_.assign(config_->stages, RankHealth{});
}

void Pipeline::End(TimePoint now, const std::string& why) {
  CHECK(active());
  UpdateBackoff(now);
  StandDown(why);
  state_ = PipelineState::kEnding;
  deadline_ = now + config_->end_timeout;
}

void Pipeline::Exited(TimePoint now, const std::string& why, bool stop) {
  if (active()) {
    UpdateBackoff(now);
    StandDown(why);
  }
  state_ = stop ? PipelineState::kStopped : PipelineState::kBackoff;
  deadline_ = now + backoff_;
}

uint64_t Pipeline::kv_pages() const {
  uint64_t pages = ranks_.front().loaded.kv_pages;
  for (const RankHealth& health : ranks_) pages = std::min(pages, health.loaded.kv_pages);
  return pages;
}

}  // namespace exeunt::coordinator
