// AdmissionQueue: which of the requests that wait is next. A lower priority value comes first. Within one
// priority, clients share by tokens (self-clocked fair queueing, Golestani 1994): each client's first request
// is stamped with the virtual time at which it would be through if all clients that wait got the same tokens,
// and the least stamp is next. Virtual time is the stamp of what was admitted last, so that nothing has to be
// kept of a client that does not wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/core/types.h"

namespace exeunt::coordinator {

struct WaitingRequest {
  RequestId id = 0;  // grows in order of arrival
  std::string client;
  int priority = 0;
  uint64_t tokens = 0;  // that its client is charged for
};

// Not thread-safe, no clock. Memory: what waits. Guarantees:
// - While two clients wait at one priority, they get the same tokens but for at most one request of each.
// - Once a request was the head and has found no place, at most kMaxPasses others of its priority are let in
//   before it, which together have no more tokens than itself; again as many once it is promoted.
class AdmissionQueue {
 public:
  static constexpr uint32_t kMaxPasses = 8;

  // CHECKs that it is new.
  void Push(WaitingRequest request);
  // It has waited so long that it comes before every priority from now on. Repeats change nothing.
  void Promote(RequestId id);
  // It leaves for a place, and its client is charged. CHECKs that it waits.
  void Admit(RequestId id);
  // It leaves without: cancelled, expired or refused. CHECKs that it waits.
  void Remove(RequestId id);

  // The one to be tried next; nullopt: none waits.
  std::optional<RequestId> Head() const;
  // The head has found no place: it stays the head of its priority, whoever comes. CHECKs that there is one.
  void Hold();
  // What may be admitted before the head that is held, best first: for each client its first (but the head),
  // if it has at most 1 / kMaxPasses of the head's tokens.
  std::vector<RequestId> Passers() const;
  // Whom to refuse where too many wait, so that no client keeps others out: of the client that has the most
  // waiting, the newest with its least urgent priority. CHECKs that one waits.
  RequestId Surplus() const;

  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  size_t SizeOf(const std::string& client) const;
  std::map<int, size_t> SizeByPriority() const;
  // The one that arrived first; nullopt: none waits.
  std::optional<RequestId> Oldest() const;

 private:
  struct Entry {
    WaitingRequest request;
    int level = 0;  // its priority, or that of the promoted
  };
  // What a client has waiting at one level.
  struct Line {
    uint64_t served = 0;  // virtual time when it had got its last share
    std::set<RequestId> ids;
  };
  using Stamp = std::pair<uint64_t, RequestId>;  // virtual time; of two at once the first to come
  struct Level {
    uint64_t virtual_time = 0;
    std::map<std::string, Line> lines;  // none is empty
    std::set<Stamp> order;              // of each line's first
    std::optional<RequestId> held;
    uint32_t passes = 0;  // before the one that is held
  };

  uint64_t TokensOf(RequestId id) const { return entries_.at(id).request.tokens; }
  Stamp StampOf(const Line& line) const;
  void Enter(const Entry& entry);
  void Leave(const Entry& entry, bool charge);

  std::map<RequestId, Entry> entries_;
  std::map<int, Level> levels_;  // none is empty; the most urgent first
};

}  // namespace exeunt::coordinator
