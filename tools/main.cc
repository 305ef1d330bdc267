// exeunt: the command line of the project.
#include <CLI/CLI.hpp>

#include "base/log.h"
#include "tools/bench.h"
#include "tools/fit.h"
#include "tools/generate.h"
#include "tools/inspect.h"
#include "tools/plan.h"
#include "tools/simulate.h"
#include "tools/tokenize.h"

int main(int argc, char** argv) {
  CLI::App app("Exeunt: pipeline-parallel inference with early exits");
  app.require_subcommand(1);
  int status = 0;
  exeunt::InitLogging("exeunt", "warn");
  exeunt::AddBench(&app, &status);
  exeunt::AddFit(&app, &status);
  exeunt::AddGenerate(&app, &status);
  exeunt::AddInspect(&app, &status);
  exeunt::AddPlan(&app, &status);
  exeunt::AddSimulate(&app, &status);
  exeunt::AddTokenize(&app, &status);
  CLI11_PARSE(app, argc, argv);
  return status;
}
