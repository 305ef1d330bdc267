// exeunt: the command line of the project.
#include "base/log.h"
#include "tools/verbs.h"

int main(int argc, char** argv) {
  CLI::App app("Exeunt: pipeline-parallel inference with early exits");
  app.require_subcommand(1);
  int status = 0;
  exeunt::InitLogging("exeunt", "warn");
  for (const auto add : {exeunt::AddBench, exeunt::AddCalibrate, exeunt::AddFit, exeunt::AddGenerate,
                         exeunt::AddInspect, exeunt::AddPlan, exeunt::AddProbe, exeunt::AddSimulate,
                         exeunt::AddSweep, exeunt::AddTokenize, exeunt::AddTop, exeunt::AddWatch}) {
    add(&app, &status);
  }
  CLI11_PARSE(app, argc, argv);
  return status;
}
