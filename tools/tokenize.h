// exeunt tokenize: texts to token ids, as they are when served.
#pragma once

#include <CLI/CLI.hpp>

namespace exeunt {

void AddTokenize(CLI::App* app, int* status);

}  // namespace exeunt
