// The verbs of the command line. Each adds its subcommand, whose callback runs it and sets `status`.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/result.h"

namespace exeunt::tools {

void AddBench(CLI::App* app, int* status);
void AddCalibrate(CLI::App* app, int* status);
void AddFit(CLI::App* app, int* status);
void AddGenerate(CLI::App* app, int* status);
void AddInspect(CLI::App* app, int* status);
void AddPlan(CLI::App* app, int* status);
void AddProbe(CLI::App* app, int* status);
void AddSimulate(CLI::App* app, int* status);
void AddSweep(CLI::App* app, int* status);
void AddTokenize(CLI::App* app, int* status);
void AddTop(CLI::App* app, int* status);
void AddWatch(CLI::App* app, int* status);

// Returns the exit status of a verb. An error is written to stderr behind its name.
inline int Report(const char* verb, const Status& result) {
  if (result.has_value()) return 0;
  std::fprintf(stderr, "exeunt %s: %s\n", verb, result.error().message.c_str());
  return 1;
}

}  // namespace exeunt::tools
