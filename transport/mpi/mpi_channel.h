// The data channel over MPI, in host memory. A frame is a header message (its payload's length in front) and,
// where it has one, a payload message; a frame counts as taken once both have been matched by the receiver
// (synchronous sends), so that posted receives are the credits. Token messages go to rank 0 under a tag of
// their own. All calls come from the thread that called MPI_Init. MPI errors abort the job: Open MPI 4.1
// cannot go on after one.
#pragma once

#include <memory>

#include "transport/data_channel.h"

namespace exeunt::transport {

// MPI_Init and MPI_Finalize around main's life; finalising waits for the other ranks, `deadline_seconds` at
// most.
class MpiSession {
 public:
  MpiSession(int* argc, char*** argv);
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;
  int rank() const { return rank_; }
  int ranks() const { return ranks_; }

 private:
  int rank_ = 0;
  int ranks_ = 1;
};

// Collective: every rank calls it once, in the same order.
std::unique_ptr<DataChannel> MakeMpiChannel();

}  // namespace exeunt::transport
