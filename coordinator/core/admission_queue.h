// AdmissionQueue decides which waiting request is next. A lower priority value comes first. Within one
// priority, clients share by tokens (self-clocked fair queueing, Golestani 1994). Each client's first request
// gets a stamp. It is the virtual time at which the request would be complete if all waiting clients got the
// same tokens. The least stamp is next. Virtual time is the stamp of the last admitted request. Nothing has
// to be kept of a client that does not wait.
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
  RequestId id = 0;  // number that grows in order of arrival
  std::string client;
  int priority = 0;
  uint64_t tokens = 0;  // tokens that its client is charged for
};

// Not thread-safe. No clock. Its memory is bounded by the waiting requests. Guarantees:
// - While two clients wait at one priority, their tokens differ by at most one request of each.
// - Once a request was the head and found no place, at most kMaxPasses others of its priority are
//   admitted before it. Together they have no more tokens than itself. Promotion allows as many again.
class AdmissionQueue {
 public:
  static constexpr uint32_t kMaxPasses = 8;

  // CHECKs that the request is new.
  void Push(WaitingRequest request);
  // Puts the request before every priority from now on, because it has waited for long. Repeats change
  // nothing.
  void Promote(RequestId id);
  // Removes the request because it gets a place, and charges its client. CHECKs that it waits.
  void Admit(RequestId id);
  // Removes a request that was cancelled, expired or refused. CHECKs that it waits.
  void Remove(RequestId id);

  // Returns the request to try next, or nullopt if none waits.
  std::optional<RequestId> Head() const;
  // The head has found no place. It stays the head of its priority, whatever arrives. CHECKs that there is a
  // head.
  void Hold();
  // Returns the requests that may be admitted before the held head, best first. These are the first requests
  // of each client, except the head, with at most 1 / kMaxPasses of the head's tokens.
  std::vector<RequestId> Passers() const;
  // Returns the request to refuse if too many wait, so that no client keeps others out. It is the newest of
  // the least urgent priority of the client with the most waiting requests. CHECKs that one waits.
  RequestId Surplus() const;

  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  size_t SizeOf(const std::string& client) const;
  std::map<int, size_t> SizeByPriority() const;
  // Returns the request that arrived first, or nullopt if none waits.
  std::optional<RequestId> Oldest() const;

 private:
  struct Entry {
    WaitingRequest request;
    int level = 0;  // its priority, or that of promoted requests
  };
  // The waiting requests of a client at one level.
  struct Line {
    uint64_t served = 0;  // virtual time when the client got its last share
    std::set<RequestId> ids;
  };
  using Stamp = std::pair<uint64_t, RequestId>;  // virtual time; of two equal ones the earlier arrival
  struct Level {
    uint64_t virtual_time = 0;
    std::map<std::string, Line> lines;  // never an empty line
    std::set<Stamp> order;              // first requests of all lines
    std::optional<RequestId> held;
    uint32_t passes = 0;  // requests that were admitted before the held one
  };

  uint64_t TokensOf(RequestId id) const { return entries_.at(id).request.tokens; }
  Stamp StampOf(const Line& line) const;
  void Enter(const Entry& entry);
  void Leave(const Entry& entry, bool charge);

  std::map<RequestId, Entry> entries_;
  std::map<int, Level> levels_;  // never an empty level; the most urgent first
};

}  // namespace exeunt::coordinator
