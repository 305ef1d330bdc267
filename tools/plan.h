// The verb `plan`: measures what layers and head cost on this machine and balances a pipeline's stages on it.
#pragma once

#include <CLI/CLI.hpp>

namespace exeunt {

void AddPlan(CLI::App* app, int* status);

}  // namespace exeunt
