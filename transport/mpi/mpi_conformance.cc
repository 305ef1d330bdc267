// Checks the contract of data channels over real MPI: mpirun -n P mpi_conformance. It also checks that a
// message over the limit is refused.
#include <mpi.h>

#include <cstdio>

#include "base/check.h"
#include "transport/mpi/mpi_channel.h"
#include "transport/testing/channel_conformance.h"

int main(int argc, char** argv) {
  exeunt::transport::MpiSession mpi(&argc, &argv);
  const auto channel = exeunt::transport::MakeMpiChannel();
  // Uses MPI's own barrier and polls it, so that sent messages keep moving.
  exeunt::transport::RunChannelConformance(channel.get(), mpi.rank(), mpi.ranks(), [&] {
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Ibarrier(MPI_COMM_WORLD, &request);
    for (int done = 0; done == 0; channel->Progress()) MPI_Test(&request, &done, MPI_STATUS_IGNORE);
  });
  if (mpi.rank() == 0) std::printf("PASS: %d ranks\n", mpi.ranks());
  return 0;
}
