#include "coordinator/core/kv_ledger.h"

#include <algorithm>

#include "base/check.h"

namespace exeunt::coordinator {

KvLedger::KvLedger(uint32_t stages, uint64_t capacity_pages, uint32_t page_tokens)
    : stages_(stages), page_tokens_(page_tokens), users_(capacity_pages) {
  CHECK_GT(page_tokens, 0U);
  for (auto page = static_cast<uint32_t>(capacity_pages); page > 0; --page) free_.push_back(page - 1);
}

uint64_t KvLedger::PagesFor(uint64_t positions) const {
  return (positions + page_tokens_ - 1) / page_tokens_;
}

bool KvLedger::Fits(uint64_t positions, uint32_t shared_tokens) const {
  return PagesFor(positions - shared_tokens) <= free_.size();
}

const std::vector<uint32_t>& KvLedger::PagesOf(uint64_t sequence) const {
  const auto open = sequences_.find(sequence);
  return open != sequences_.end() ? open->second.pages : retained_.at(sequence);
}

bool KvLedger::FitsAfterEviction(uint64_t positions, const SharedPrefix& shared) const {
  uint64_t taken = reserved_;
  if (shared.sequence != 0) {
    const auto& pages = PagesOf(shared.sequence);
    taken += static_cast<uint64_t>(
        std::count_if(pages.begin(), pages.end(), [&](uint32_t page) { return users_[page].open == 0; }));
  }
  return PagesFor(positions - shared.tokens) + taken <= users_.size();
}

void KvLedger::Reserve(uint64_t sequence, uint32_t positions, const SharedPrefix& shared) {
  CHECK(Fits(positions, shared.tokens));
  SequenceKv kv;
  if (shared.sequence != 0) {
    const auto& pages = PagesOf(shared.sequence);
    kv.pages.assign(pages.begin(), pages.begin() + shared.tokens / page_tokens_);
  }
  for (uint64_t more = PagesFor(positions - shared.tokens); more > 0; --more) {
    kv.pages.push_back(free_.back());
    free_.pop_back();
  }
  for (const uint32_t page : kv.pages) reserved_ += users_[page].open++ == 0 ? 1 : 0;
  kv.positions = positions;
  kv.stages.resize(stages_);
  kv.closed.resize(stages_);
  CHECK_MSG(sequences_.emplace(sequence, std::move(kv)).second, "sequence {} is reserved twice", sequence);
}

void KvLedger::Retain(uint64_t sequence, uint32_t tokens) {
  const auto it = sequences_.find(sequence);
  if (it == sequences_.end()) return;
  it->second.retained = tokens / page_tokens_;
  CHECK_LE(it->second.retained, it->second.pages.size());
}

void KvLedger::Drop(uint32_t page, uint32_t Users::*kind) {
  Users& users = users_[page];
  CHECK_GT(users.*kind, 0U);
  --(users.*kind);
  if (kind == &Users::open && users.open == 0) --reserved_;
  if (users.open == 0 && users.retained == 0) free_.push_back(page);
}

bool KvLedger::Close(uint64_t sequence, uint32_t rank) {
  const auto it = sequences_.find(sequence);
  if (it == sequences_.end()) return false;
  it->second.closed.at(rank) = true;
  it->second.stages.at(rank).backlog = 0;
  const auto& closed = it->second.closed;
  if (std::find(closed.begin(), closed.end(), false) != closed.end()) return false;
  std::vector<uint32_t> pages = std::move(it->second.pages);
  const auto retained = static_cast<std::ptrdiff_t>(it->second.retained);
  for (auto page = pages.begin(); page != pages.begin() + retained; ++page) ++users_[*page].retained;
  for (const uint32_t page : pages) Drop(page, &Users::open);
  pages.resize(static_cast<size_t>(retained));
  if (retained > 0) retained_.emplace(sequence, std::move(pages));
  sequences_.erase(it);
  return true;
}

void KvLedger::Evict(uint64_t sequence) {
  const auto it = retained_.find(sequence);
  CHECK_MSG(it != retained_.end(), "sequence {} has left nothing behind", sequence);
  for (const uint32_t page : it->second) Drop(page, &Users::retained);
  retained_.erase(it);
}

void KvLedger::Report(TimePoint now, uint32_t rank, const from_worker::StageReport& report) {
  std::map<uint64_t, const from_worker::SequenceState*> listed;
  for (const auto& state : report.sequences) listed[state.sequence] = &state;
  for (auto& [sequence, kv] : sequences_) {
    StageKv& stage = kv.stages.at(rank);
    const auto it = listed.find(sequence);
    if (it == listed.end() || kv.closed.at(rank)) {
      stage.backlog = 0;
      continue;
    }
    const bool moved = it->second->watermark != stage.watermark || stage.backlog == 0;
    if (moved) stage.backlog_since = now;
    stage.watermark = it->second->watermark;
    stage.backlog = it->second->backlog;
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

}  // namespace exeunt::coordinator
