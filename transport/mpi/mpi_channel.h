// The data channel over MPI, in host memory. A frame is a header message, which begins with the payload's
// length, and a payload message if it has a payload. Sends are synchronous. A frame counts as taken once the
// receiver has matched both messages, so that posted receives are the credits. Token messages go to rank 0
// under their own tag. All calls come from the thread that called MPI_Init. MPI errors abort the job, because
// Open MPI 4.1 cannot continue after one.
#pragma once

#include <memory>

#include "transport/data_channel.h"

namespace exeunt::transport {

// MpiSession calls MPI_Init and MPI_Finalize around main's life. Finalising waits at most 10 s for the other
// ranks.
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
