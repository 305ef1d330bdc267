// The collectives that benchmarks and tests need beside the data channel. Every rank calls each of them in
// the same order, from the thread that called MPI_Init. Errors end the process.
#pragma once

#include <cstddef>
#include <vector>

#include "base/clock.h"

namespace exeunt::transport {

void MpiBarrier();
// Gathers the bytes of every rank, by rank, at rank 0. The result is empty on other ranks.
std::vector<std::vector<std::byte>> MpiGather(const std::vector<std::byte>& own);
// The number of this rank among the ranks on its machine.
struct MpiLocalRank {
  int rank = 0;
  int ranks = 1;
};
MpiLocalRank MpiLocal();
// Returns rank 0's `value` on every rank.
int MpiBroadcast(int value);
// Returns the offset that turns this rank's monotonic clock into rank 0's. It is measured at the middle of
// the fastest of a few round trips. Its error is at most half of that trip.
Duration MpiClockOffset();

}  // namespace exeunt::transport
