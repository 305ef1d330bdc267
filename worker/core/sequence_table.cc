#include "worker/core/sequence_table.h"

#include <algorithm>

#include "base/check.h"
#include "base/error.h"
#include "kernels/kv_layout.h"

namespace exeunt::worker {

void Sequence::Advance(size_t segment, int32_t position) {
  int& mark = watermark[segment];
  CHECK_EQ(mark, position);
  mark = position + 1;
}

int Sequence::LeastWatermark() const { return *std::min_element(watermark.begin(), watermark.end()); }

void Sequence::Rollback(uint32_t to_generation, int32_t position) {
  generation = to_generation;
  tokens.resize(std::min(tokens.size(), static_cast<size_t>(position)));
  for (int& mark : watermark) mark = std::min(mark, position);
}

void Sequence::Close(ControlKind by, int retained_tokens) {
  closing = true;
  closed_by = by;
  retained = retained_tokens;
  kept = std::max(kept, retained_tokens);
  // Only the token of the last row can have ended it. All rows that score have therefore been made.
  if (by == ControlKind::kClose && spec->score_from > 0) kept = spec->prompt_tokens() - 1;
}

SequenceTable::SequenceTable(const Options& options) : options_(options), pages_(options.kv_pages) {}

Sequence* SequenceTable::Find(uint64_t id) {
  const auto it = sequences_.find(id);
  return it == sequences_.end() ? nullptr : it->second.get();
}

// Takes the pages of the prefix from an open sequence or from a retained prefix. Stage 0 decides whether
// there is one and forwards its decision. Because of the FIFO, the source still exists when a later stage
// gets there.
Status SequenceTable::SharePrefix(SequenceSpec* spec, Sequence* sequence) {
  if (spec->prefix_of == 0) return OkStatus();
  const int n = spec->prefix_tokens;
  Sequence* open = Find(spec->prefix_of);
  if (open != nullptr && open->closing && open->retained < n) open = nullptr;
  const auto left = retained_.find(spec->prefix_of);
  const bool gone = open == nullptr && left == retained_.end();
  const bool failed = !gone && (open != nullptr ? open->failed : left->second.failed);
  if (gone) {
    if (!options_.decides_sharing) {
      return DataLoss("sequence {} shares a prefix with {}, which is not open", spec->sequence,
                      spec->prefix_of);
    }
    spec->prefix_of = 0;
    spec->prefix_tokens = 0;
    return OkStatus();
  }
  const std::vector<int32_t>& prompt = (open != nullptr ? open->spec : left->second.spec)->prompt;
  // The last row of a prompt may leave early. Its K/V may then differ from the full model's.
  const int most = open != nullptr ? static_cast<int>(prompt.size()) - 1 : left->second.tokens;
  if (n > most || !std::equal(prompt.begin(), prompt.begin() + n, spec->prompt.begin())) {
    return DataLoss("sequence {} shares {} tokens with {}, whose prompt of {} does not begin with them",
                    spec->sequence, n, spec->prefix_of, prompt.size());
  }
  if (open != nullptr) open->kept = std::max(open->kept, n);
  const std::vector<int32_t>& from = open != nullptr ? open->pages : left->second.pages;
  pages_.Share(std::span(from).first(static_cast<size_t>(n / kPageTokens)), &sequence->pages);
  sequence->failed = failed;
  return OkStatus();
}

Result<Sequence*> SequenceTable::Open(SequenceSpec spec) {
  const uint64_t id = spec.sequence;
  if (Find(id) != nullptr) return Internal("sequence {} is opened twice", id);
  auto sequence = std::make_unique<Sequence>();
  RETURN_IF_ERROR(SharePrefix(&spec, sequence.get()));
  const int needed = (spec.positions() - spec.prefix_tokens + kPageTokens - 1) / kPageTokens;
  if (!pages_.Allocate(needed, &sequence->pages)) {
    return ResourceExhausted(
        "sequence {} needs {} KV pages and {} of {} are used: admission reserved too much", id, needed,
        pages_.used(), pages_.total());
  }
  sequence->tokens.reserve(static_cast<size_t>(spec.positions()));
  sequence->tokens = spec.prompt;
  sequence->watermark.assign(options_.segments, spec.prefix_tokens);
  sequence->prompt_issued = spec.prefix_tokens;
  sequence->spec = std::make_shared<const SequenceSpec>(std::move(spec));
  ++opened_;
  return sequences_.emplace(id, std::move(sequence)).first->second.get();
}

Result<Sequence*> SequenceTable::Arrive(const StateRow& row) {
  Sequence* sequence = Find(row.sequence);
  if (sequence == nullptr || sequence->closing || row.generation < sequence->generation) return nullptr;
  const auto at = static_cast<size_t>(row.position);
  if (at >= static_cast<size_t>(sequence->spec->positions()) || at > sequence->tokens.size()) {
    return DataLoss("sequence {}: row at position {} after {} tokens of {} at most", row.sequence,
                    row.position, sequence->tokens.size(), sequence->spec->positions());
  }
  if (at == sequence->tokens.size()) sequence->tokens.push_back(row.token);
  return sequence;
}

Sequence* SequenceTable::FromJob(const StateRow& row) {
  Sequence* sequence = Find(row.sequence);
  CHECK(sequence != nullptr);
  --sequence->rows_in_jobs;
  return sequence;
}

void SequenceTable::Release(const Sequence& sequence) {
  const uint64_t id = sequence.id();
  const auto it = sequences_.find(id);
  std::vector<int32_t>& pages = it->second->pages;
  if (sequence.retained > 0) {
    const auto end = pages.begin() + sequence.retained / kPageTokens;
    retained_.emplace(id, Retained{sequence.spec, {pages.begin(), end}, sequence.retained, sequence.failed});
    pages.erase(pages.begin(), end);
  }
  pages_.Free(&pages);
  sequences_.erase(it);
}

Result<bool> SequenceTable::Evict(uint64_t id) {
  if (Find(id) != nullptr) return Internal("sequence {} is evicted, and it is not closed here", id);
  const auto it = retained_.find(id);
  if (it == retained_.end()) return false;
  pages_.Free(&it->second.pages);
  retained_.erase(it);
  return true;
}

}  // namespace exeunt::worker
