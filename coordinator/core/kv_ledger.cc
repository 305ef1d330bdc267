#include "coordinator/core/kv_ledger.h"

#include <algorithm>

#include "base/check.h"

namespace exeunt {

uint64_t KvLedger::PagesFor(uint64_t positions) const {
  return (positions + page_tokens_ - 1) / page_tokens_;
}

void KvLedger::Reserve(uint64_t sequence, uint32_t positions) {
  CHECK(Fits(positions));
  SequenceKv kv;
  kv.pages = PagesFor(positions);
  kv.positions = positions;
  kv.stages.resize(stages_);
  kv.closed.resize(stages_);
  reserved_ += kv.pages;
  CHECK_MSG(sequences_.emplace(sequence, std::move(kv)).second, "sequence {} is reserved twice", sequence);
}

bool KvLedger::Close(uint64_t sequence, uint32_t rank) {
  const auto it = sequences_.find(sequence);
  if (it == sequences_.end()) return false;
  it->second.closed.at(rank) = true;
  it->second.stages.at(rank).backlog = 0;
  const auto& closed = it->second.closed;
  if (std::find(closed.begin(), closed.end(), false) != closed.end()) return false;
  reserved_ -= it->second.pages;
  sequences_.erase(it);
  return true;
}

void KvLedger::Report(TimePoint now, uint32_t rank, const proto::StageReport& report) {
  std::map<uint64_t, const proto::SequenceState*> listed;
  for (const auto& state : report.sequences()) listed[state.sequence()] = &state;
  for (auto& [sequence, kv] : sequences_) {
    StageKv& stage = kv.stages.at(rank);
    const auto it = listed.find(sequence);
    if (it == listed.end() || kv.closed.at(rank)) {
      stage.backlog = 0;
      continue;
    }
    const bool moved = it->second->watermark() != stage.watermark || stage.backlog == 0;
    if (moved) stage.backlog_since = now;
    stage.watermark = it->second->watermark();
    stage.backlog = it->second->backlog();
  }
}

std::vector<uint64_t> KvLedger::TakeOldBacklog(TimePoint now, Duration age) {
  std::vector<uint64_t> old;
  for (auto& entry : sequences_) {
    SequenceKv& kv = entry.second;
    const bool stands = std::any_of(kv.stages.begin(), kv.stages.end(), [&](const StageKv& stage) {
      return stage.backlog > 0 && now - std::max(stage.backlog_since, kv.flushed_at) >= age;
    });
    if (!stands) continue;
    kv.flushed_at = now;
    old.push_back(entry.first);
  }
  return old;
}

}  // namespace exeunt
