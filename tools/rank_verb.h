// A verb that every rank of an MPI job runs: mpirun -n 2 exeunt VERB. Alone it is one rank.
#pragma once

#include <functional>

#include "base/result.h"
#include "transport/mpi/mpi_channel.h"

namespace exeunt::tools {

// The exit status; an error is written to stderr behind the verb's name. Where there are other ranks an error
// ends the process at once: they may wait for this one, and mpirun ends them.
int RunOnRanks(const char* verb, const std::function<Status(const transport::MpiSession&)>& run);

}  // namespace exeunt::tools
