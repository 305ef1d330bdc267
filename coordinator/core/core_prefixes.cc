// Prompts that begin alike: what is shared, what is left behind, what is evicted.
#include <fmt/format.h>

#include "base/check.h"
#include "coordinator/core/coordinator_core.h"

namespace exeunt::coordinator {

// Whole pages of a prompt but its last token, whose row gives the first token and may leave early. The rows
// before tokens that are to be scored run for each request.
uint32_t CoordinatorCore::SharableTokens(const Replica& replica, const SequenceRequest& record) const {
  if (!config_.prefix_cache) return 0;
  const auto end = static_cast<uint32_t>(record.score_from > 0 ? static_cast<size_t>(record.score_from)
                                                               : record.prompt.size());
  return (end - 1) / replica.ledger.page_tokens() * replica.ledger.page_tokens();
}

// What the record's prompt would share in the pipeline; nullopt: it has no place there now. Where only the
// eviction of what it could share makes room, it shares nothing.
std::optional<SharedPrefix> CoordinatorCore::PlaceIn(const Replica& replica,
                                                     const SequenceRequest& record) const {
  const SharedPrefix shared = replica.prefixes.Find(record.prompt, SharableTokens(replica, record));
  if (replica.ledger.FitsAfterEviction(Positions(record), shared)) return shared;
  if (replica.ledger.FitsAfterEviction(Positions(record), {})) return SharedPrefix{};
  return std::nullopt;
}

// Evicts until it fits. The orders of this step to open come first: they may share what is evicted now.
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

// Whether the prompt's K/V is to stay: where it is more than what is there already. Returns how much of it.
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

// The sequence is over at stage 0, which says whether its prompt's K/V stays: not where it was cancelled
// before all of it was begun. Of one that has failed it stays until it is dropped, and nobody may share it.
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

// Every stage has closed the sequence, which has failed: what it has left behind is evicted, if there is anything.
void CoordinatorCore::DropPrompt(Replica* replica, uint64_t sequence) {
  if (replica->prefixes.TokensOf(sequence) == 0) return;
  replica->prefixes.Remove(sequence);
  replica->ledger.Evict(sequence);
  SendPending(replica);
  SendTo(*replica, 0, to_worker::Evict{{sequence}});
}

}  // namespace exeunt::coordinator
