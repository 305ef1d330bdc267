// The few collectives that benchmarks and tests need beside the data channel. Every rank calls each of them,
// in the same order, from the thread that called MPI_Init. Errors end the process.
#pragma once

#include <cstddef>
#include <vector>

#include "base/clock.h"

namespace exeunt::transport {

void MpiBarrier();
// Every rank's bytes, by rank, at rank 0; empty elsewhere.
std::vector<std::vector<std::byte>> MpiGather(const std::vector<std::byte>& own);
// Which of how many ranks on its machine this one is.
struct MpiLocalRank {
  int rank = 0;
  int ranks = 1;
};
MpiLocalRank MpiLocal();
// rank 0's `value`, everywhere.
int MpiBroadcast(int value);
// What this rank adds to its monotonic clock to get rank 0's: the middle of the fastest of a few round trips
// (its error is half of that trip at most).
Duration MpiClockOffset();

}  // namespace exeunt::transport
