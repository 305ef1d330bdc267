// exeunt simulate: what a pipeline would do, from measured costs.
#pragma once

#include <CLI/CLI.hpp>

namespace exeunt {

void AddSimulate(CLI::App* app, int* status);

}  // namespace exeunt
