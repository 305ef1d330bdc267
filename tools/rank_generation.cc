#include "tools/rank_generation.h"

#include <sched.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "transport/mpi/mpi_collective.h"

namespace exeunt::tools {
namespace {

constexpr auto kDeadline = std::chrono::minutes(10);

struct SaidToken {
  uint64_t sequence = 0;
  int64_t position = 0;
  int64_t token = 0;
};

// Gathers the tokens of all ranks at rank 0, by sequence.
std::vector<std::vector<int32_t>> Gather(const std::vector<SaidToken>& own, size_t sequences) {
  std::vector<std::byte> bytes(own.size() * sizeof(SaidToken));
  if (!own.empty()) std::memcpy(bytes.data(), own.data(), bytes.size());
  std::vector<SaidToken> all;
  for (const auto& from : transport::MpiGather(bytes)) {
    const size_t before = all.size();
    all.resize(before + from.size() / sizeof(SaidToken));
    if (!from.empty()) std::memcpy(&all[before], from.data(), from.size());
  }
  std::sort(all.begin(), all.end(), [](const SaidToken& a, const SaidToken& b) {
    return std::pair(a.sequence, a.position) < std::pair(b.sequence, b.position);
  });
  std::vector<std::vector<int32_t>> tokens(all.empty() ? 0 : sequences);
  for (const SaidToken& t : all) tokens[t.sequence - 1].push_back(static_cast<int32_t>(t.token));
  return tokens;
}

}  // namespace

// A sequence's place is free once rank 0 has closed it. The next sequence's opening follows that closing from
// stage to stage.
Result<std::vector<std::vector<int32_t>>> GenerateOverRanks(worker::StageRunner* runner, int rank,
                                                            std::vector<worker::SequenceSpec> specs,
                                                            size_t streams,
                                                            const std::function<void()>& done) {
  std::vector<SaidToken> said;
  size_t next = 0;
  size_t open = 0;
  TimePoint worked = MonotonicNow();
  while (runner->stage().opened() < specs.size() || !runner->Idle()) {
    worker::AdmitSequences admit;
    for (; rank == 0 && next < specs.size() && open < streams; ++next, ++open)
      admit.specs.push_back(specs[next]);
    std::vector<worker::StageEvent> events;
    if (!admit.specs.empty()) events.emplace_back(std::move(admit));
    worker::StageOutputs out;
    const bool active = runner->Turn(std::move(events), &out);
    RETURN_IF_ERROR(out.Health());
    for (const worker::TokenOut& t : out.tokens) said.push_back({t.sequence, t.position, t.token});
    for (size_t i = 0; rank == 0 && i < out.closed.size(); ++i, --open) done();
    if (active) {
      worked = MonotonicNow();
    } else if (MonotonicNow() - worked > kDeadline) {
      return DeadlineExceeded("generating: nothing happened at rank {} for {} min", rank, kDeadline.count());
    } else {
      sched_yield();
    }
  }
  return Gather(said, specs.size());
}

}  // namespace exeunt::tools
