// Shared and retained prefixes, and their eviction.
#include <fmt/format.h>

#include "base/check.h"
#include "coordinator/core/coordinator_core.h"

namespace exeunt::coordinator {

// Returns the whole pages of a prompt without its last token. The row of the last token gives the first
// answer token and may leave early. The rows before scored tokens run for each request.
uint32_t CoordinatorCore::SharableTokens(const Replica& replica, const SequenceRequest& record) const {
  if (!config_.prefix_cache) return 0;
  const auto end = static_cast<uint32_t>(record.score_from > 0 ? static_cast<size_t>(record.score_from)
                                                               : record.prompt.size());
  return (end - 1) / replica.ledger.page_tokens() * replica.ledger.page_tokens();
}

// Returns the prefix that the record's prompt would share in the pipeline, or nullopt if it has no place
// there. If only the eviction of this prefix makes room, nothing is shared.
std::optional<SharedPrefix> CoordinatorCore::PlaceIn(const Replica& replica,
                                                     const SequenceRequest& record) const {
  const SharedPrefix shared = replica.prefixes.Find(record.prompt, SharableTokens(replica, record));
  if (replica.ledger.FitsAfterEviction(Positions(record), shared)) return shared;
  if (replica.ledger.FitsAfterEviction(Positions(record), {})) return SharedPrefix{};
  return std::nullopt;
}

// Evicts until the request fits. Sequences that this step opens are sent first, because they may share a
// prefix that is evicted here.
void CoordinatorCore::MakeRoom(Replica* replica, uint64_t positions, const SharedPrefix& shared) {
  to_worker::Evict evict;
  while (!replica->ledger.Fits(positions, shared.tokens)) {
    const auto oldest = replica->prefixes.Oldest();
    CHECK(oldest);
    if (*oldest == shared.sequence) {
      replica->prefixes.Touch(*oldest);
      continue;
    }
    replica->prefixes.Remove(*oldest);
    replica->ledger.Evict(*oldest);
    evict.sequences.push_back(*oldest);
  }
  if (evict.sequences.empty()) return;
  SendPending(replica);
  SendTo(*replica, 0, std::move(evict));
}

// Decides whether the prompt's K/V is to be retained. It is if it has more pages than the shared prefix.
// Returns the number of retained tokens.
uint32_t CoordinatorCore::HoldPrompt(Replica* replica, uint64_t sequence, const SequenceRequest& record,
                                     const SharedPrefix& shared) {
  const uint32_t tokens = record.score_from > 0 ? 0 : SharableTokens(*replica, record);
  if (tokens > shared.tokens) {
    replica->prefixes.Add(sequence, {record.prompt.begin(), record.prompt.begin() + tokens});
    return tokens;
  }
  if (shared.sequence != 0) replica->prefixes.Touch(shared.sequence);
  return 0;
}

// The sequence is over at stage 0, which reports whether its prefix is retained. It is not if the sequence
// was cancelled before all of its prompt was begun. The prefix of a failed sequence stays until it is
// dropped, and nobody may share it.
Pipeline::Why CoordinatorCore::LeavePrompt(Replica* replica, const from_worker::SequenceFinished& finished,
                                           bool failed) {
  if (!finished.retained) {
    replica->prefixes.Remove(finished.sequence);
    return std::nullopt;
  }
  const uint32_t tokens = replica->prefixes.TokensOf(finished.sequence);
  if (tokens == 0) {
    return fmt::format("stage 0 keeps a prompt that was not to stay, of sequence {}", finished.sequence);
  }
  replica->ledger.Retain(finished.sequence, tokens);
  if (!failed) replica->prefixes.Resume(finished.sequence);
  return std::nullopt;
}

// Every stage has closed a failed sequence. Its retained prefix is evicted if there is one.
void CoordinatorCore::DropPrompt(Replica* replica, uint64_t sequence) {
  if (replica->prefixes.TokensOf(sequence) == 0) return;
  replica->prefixes.Remove(sequence);
  replica->ledger.Evict(sequence);
  SendPending(replica);
  SendTo(*replica, 0, to_worker::Evict{{sequence}});
}

}  // namespace exeunt::coordinator
