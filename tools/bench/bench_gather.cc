#include "tools/bench/bench_gather.h"

#include <cstring>

#include "transport/mpi/mpi_collective.h"

namespace exeunt::tools {
namespace {

// The part of a rank's record that has a fixed size. It is gathered before the tokens and spans.
struct RankHeader {
  StageWork work;
  double read_bandwidth = 0;
  double int_dot_peak = 0;
  uint64_t tokens = 0;
  uint64_t spans = 0;
};

template <typename T>
void Put(std::byte** to, const T* values, size_t count) {
  if (count > 0) std::memcpy(*to, values, count * sizeof(T));
  *to += count * sizeof(T);
}

template <typename T>
void Take(const std::byte** from, T* values, size_t count) {
  if (count > 0) std::memcpy(values, *from, count * sizeof(T));
  *from += count * sizeof(T);
}

}  // namespace

std::vector<BenchRank> GatherRanks(const BenchRank& own) {
  const RankHeader header{own.work, own.read_bandwidth, own.int_dot_peak, own.tokens.size(),
                          own.spans.size()};
  std::vector<std::byte> bytes(sizeof(header) + own.tokens.size() * sizeof(BenchToken) +
                               own.spans.size() * sizeof(worker::StepSpan));
  std::byte* to = bytes.data();
  Put(&to, &header, 1);
  Put(&to, own.tokens.data(), own.tokens.size());
  Put(&to, own.spans.data(), own.spans.size());
  std::vector<BenchRank> ranks;
  for (const auto& from : transport::MpiGather(bytes)) {
    const std::byte* at = from.data();
    RankHeader h;
    Take(&at, &h, 1);
    BenchRank rank{h.work, h.read_bandwidth, h.int_dot_peak, {}, {}};
    rank.tokens.resize(h.tokens);
    rank.spans.resize(h.spans);
    Take(&at, rank.tokens.data(), rank.tokens.size());
    Take(&at, rank.spans.data(), rank.spans.size());
    ranks.push_back(std::move(rank));
  }
  return ranks;
}

}  // namespace exeunt::tools
