// exeunt fit: exits for a model from its own answers to prompts.
#pragma once

#include <CLI/CLI.hpp>

namespace exeunt {

void AddFit(CLI::App* app, int* status);

}  // namespace exeunt
