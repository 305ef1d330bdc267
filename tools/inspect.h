// exeunt inspect: what a model is, and the hash that exits and certificates are bound to.
#pragma once

#include <CLI/CLI.hpp>

namespace exeunt {

void AddInspect(CLI::App* app, int* status);

}  // namespace exeunt
