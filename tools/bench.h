// The verb `bench`: how fast a pipeline is, over real MPI and without HTTP. Every rank of the job is a stage:
// mpirun -n 2 exeunt bench MODEL. Alone it is one stage.
#pragma once

#include <CLI/CLI.hpp>

namespace exeunt {

void AddBench(CLI::App* app, int* status);

}  // namespace exeunt
