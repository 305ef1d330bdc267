// `exeunt generate`: one process, a loopback pipeline, text streamed to the terminal, exit statistics.
#pragma once

#include <CLI/CLI.hpp>

namespace exeunt {

// Adds the verb; its callback exits the process with the verb's status through `status`.
void AddGenerate(CLI::App* app, int* status);

}  // namespace exeunt
