// Runs a verb on every rank of an MPI job: mpirun -n 2 exeunt VERB. Without mpirun there is one rank.
#pragma once

#include <functional>

#include "base/result.h"
#include "transport/mpi/mpi_channel.h"

namespace exeunt::tools {

// Returns the exit status. An error is written to stderr behind the verb's name. If there are other ranks, an
// error ends the process at once. They may wait for this one, and mpirun ends them.
int RunOnRanks(const char* verb, const std::function<Status(const transport::MpiSession&)>& run);

}  // namespace exeunt::tools
