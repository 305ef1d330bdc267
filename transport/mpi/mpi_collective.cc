#include "transport/mpi/mpi_collective.h"

#include <numeric>

#include "transport/mpi/mpi_check.h"

namespace exeunt::transport {
namespace {

constexpr int kClockTag = 10;
constexpr int kClockTrips = 20;

int Rank() {
  int rank = 0;
  EXEUNT_MPI(MPI_Comm_rank(MPI_COMM_WORLD, &rank));
  return rank;
}

int Ranks() {
  int ranks = 0;
  EXEUNT_MPI(MPI_Comm_size(MPI_COMM_WORLD, &ranks));
  return ranks;
}

// Rank 0's side of the round trips of one rank. It answers each with its time.
void AnswerClock(int rank) {
  for (int i = 0; i < kClockTrips; ++i) {
    EXEUNT_MPI(MPI_Recv(nullptr, 0, MPI_BYTE, rank, kClockTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
    const int64_t now = MonotonicNow().since_start.count();
    EXEUNT_MPI(MPI_Send(&now, 1, MPI_INT64_T, rank, kClockTag, MPI_COMM_WORLD));
  }
}

Duration AskClock() {
  Duration offset{0};
  Duration fastest = Duration::max();
  for (int i = 0; i < kClockTrips; ++i) {
    const TimePoint begin = MonotonicNow();
    EXEUNT_MPI(MPI_Send(nullptr, 0, MPI_BYTE, 0, kClockTag, MPI_COMM_WORLD));
    int64_t theirs = 0;
    EXEUNT_MPI(MPI_Recv(&theirs, 1, MPI_INT64_T, 0, kClockTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
    const Duration trip = MonotonicNow() - begin;
    if (trip >= fastest) continue;
    fastest = trip;
    offset = Duration(theirs) - (begin + trip / 2).since_start;
  }
  return offset;
}

}  // namespace

void MpiBarrier() { EXEUNT_MPI(MPI_Barrier(MPI_COMM_WORLD)); }

std::vector<std::vector<std::byte>> MpiGather(const std::vector<std::byte>& own) {
  const auto ranks = static_cast<size_t>(Ranks());
  const int count = static_cast<int>(own.size());
  std::vector<int> counts(ranks);
  EXEUNT_MPI(MPI_Gather(&count, 1, MPI_INT, counts.data(), 1, MPI_INT, 0, MPI_COMM_WORLD));
  std::vector<int> at(ranks);
  std::exclusive_scan(counts.begin(), counts.end(), at.begin(), 0);
  std::vector<std::byte> all(static_cast<size_t>(at.back() + counts.back()));
  EXEUNT_MPI(MPI_Gatherv(own.data(), count, MPI_BYTE, all.data(), counts.data(), at.data(), MPI_BYTE, 0,
                         MPI_COMM_WORLD));
  std::vector<std::vector<std::byte>> by_rank;
  if (Rank() != 0) return by_rank;
  for (size_t i = 0; i < ranks; ++i) {
    const auto begin = all.begin() + at[i];
    by_rank.emplace_back(begin, begin + counts[i]);
  }
  return by_rank;
}

MpiLocalRank MpiLocal() {
  MPI_Comm local = MPI_COMM_NULL;
  EXEUNT_MPI(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &local));
  MpiLocalRank at;
  EXEUNT_MPI(MPI_Comm_rank(local, &at.rank));
  EXEUNT_MPI(MPI_Comm_size(local, &at.ranks));
  EXEUNT_MPI(MPI_Comm_free(&local));
  return at;
}

int MpiBroadcast(int value) {
  EXEUNT_MPI(MPI_Bcast(&value, 1, MPI_INT, 0, MPI_COMM_WORLD));
  return value;
}

Duration MpiClockOffset() {
  if (Rank() != 0) {
    MpiBarrier();
    return AskClock();
  }
  MpiBarrier();
  for (int rank = 1; rank < Ranks(); ++rank) AnswerClock(rank);
  return Duration{0};
}

}  // namespace exeunt::transport
