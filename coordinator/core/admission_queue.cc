#include "coordinator/core/admission_queue.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <tuple>

#include "base/check.h"

namespace exeunt::coordinator {
namespace {

constexpr int kPromoted = std::numeric_limits<int>::min();

}  // namespace

void AdmissionQueue::Push(WaitingRequest request) {
  const RequestId id = request.id;
  const int level = request.priority;
  const auto [it, is_new] = entries_.try_emplace(id, Entry{std::move(request), level});
  CHECK_MSG(is_new, "request {} waits already", id);
  Enter(it->second);
}

void AdmissionQueue::Promote(RequestId id) {
  Entry& entry = entries_.at(id);
  if (entry.level == kPromoted) return;
  Leave(entry, /*charge=*/false);
  entry.level = kPromoted;
  Enter(entry);
}

void AdmissionQueue::Admit(RequestId id) {
  const auto it = entries_.find(id);
  CHECK_MSG(it != entries_.end(), "request {} does not wait", id);
  Level& level = levels_.at(it->second.level);
  if (level.held && level.held != id) ++level.passes;
  Leave(it->second, /*charge=*/true);
  entries_.erase(it);
}

void AdmissionQueue::Remove(RequestId id) {
  const auto it = entries_.find(id);
  CHECK_MSG(it != entries_.end(), "request {} does not wait", id);
  Leave(it->second, /*charge=*/false);
  entries_.erase(it);
}

AdmissionQueue::Stamp AdmissionQueue::StampOf(const Line& line) const {
  const RequestId first = *line.ids.begin();
  return {line.served + TokensOf(first), first};
}

void AdmissionQueue::Enter(const Entry& entry) {
  Level& level = levels_[entry.level];
  Line& line = level.lines.try_emplace(entry.request.client, Line{level.virtual_time, {}}).first->second;
  if (!line.ids.empty()) level.order.erase(StampOf(line));
  line.ids.insert(entry.request.id);
  level.order.insert(StampOf(line));
}

void AdmissionQueue::Leave(const Entry& entry, bool charge) {
  const auto level_at = levels_.find(entry.level);
  Level& level = level_at->second;
  const auto line_at = level.lines.find(entry.request.client);
  Line& line = line_at->second;
  level.order.erase(StampOf(line));
  line.ids.erase(entry.request.id);
  if (charge) {
    line.served += entry.request.tokens;
    level.virtual_time = std::max(level.virtual_time, line.served);
  }
  if (level.held == entry.request.id) {
    level.held.reset();
    level.passes = 0;
  }
  if (!line.ids.empty()) {
    level.order.insert(StampOf(line));
    return;
  }
  level.lines.erase(line_at);
  if (level.lines.empty()) levels_.erase(level_at);
}

std::optional<RequestId> AdmissionQueue::Head() const {
  if (levels_.empty()) return std::nullopt;
  const Level& level = levels_.begin()->second;
  return level.held ? *level.held : level.order.begin()->second;
}

void AdmissionQueue::Hold() {
  CHECK(!levels_.empty());
  levels_.begin()->second.held = Head();
}

std::vector<RequestId> AdmissionQueue::Passers() const {
  std::vector<RequestId> passers;
  if (levels_.empty()) return passers;
  const Level& level = levels_.begin()->second;
  if (!level.held) return passers;
  const uint64_t most = TokensOf(*level.held) / kMaxPasses;
  for (const auto& [time, first] : level.order) {
    if (level.passes + passers.size() >= kMaxPasses) break;
    const std::set<RequestId>& ids = level.lines.at(entries_.at(first).request.client).ids;
    const auto next = first == *level.held ? std::next(ids.begin()) : ids.begin();
    if (next != ids.end() && TokensOf(*next) <= most) passers.push_back(*next);
  }
  return passers;
}

RequestId AdmissionQueue::Surplus() const {
  CHECK(!empty());
  std::map<std::string_view, size_t> waiting;
  for (const auto& [id, entry] : entries_) ++waiting[entry.request.client];
  const auto rank = [&](const auto& item) {
    return std::tuple(waiting.at(item.second.request.client), item.second.level, item.first);
  };
  return std::max_element(entries_.begin(), entries_.end(),
                          [&](const auto& a, const auto& b) { return rank(a) < rank(b); })
      ->first;
}

size_t AdmissionQueue::SizeOf(const std::string& client) const {
  return static_cast<size_t>(std::count_if(entries_.begin(), entries_.end(), [&](const auto& item) {
    return item.second.request.client == client;
  }));
}

std::map<int, size_t> AdmissionQueue::SizeByPriority() const {
  std::map<int, size_t> sizes;
  for (const auto& [id, entry] : entries_) ++sizes[entry.request.priority];
  return sizes;
}

std::optional<RequestId> AdmissionQueue::Oldest() const {
  if (entries_.empty()) return std::nullopt;
  return entries_.begin()->first;
}

}  // namespace exeunt::coordinator
