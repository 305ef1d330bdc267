// exeunt is the command line of the project.
#include "base/log.h"
#include "tools/verbs.h"

int main(int argc, char** argv) {
  CLI::App app("Exeunt: pipeline-parallel inference with early exits");
  app.require_subcommand(1);
  int status = 0;
  exeunt::InitLogging("exeunt", "warn");
  for (const auto add : {exeunt::tools::AddBench, exeunt::tools::AddCalibrate, exeunt::tools::AddFit,
                         exeunt::tools::AddGenerate, exeunt::tools::AddInspect, exeunt::tools::AddPlan,
                         exeunt::tools::AddProbe, exeunt::tools::AddSimulate, exeunt::tools::AddSweep,
                         exeunt::tools::AddTokenize, exeunt::tools::AddTop, exeunt::tools::AddWatch}) {
    add(&app, &status);
  }
  CLI11_PARSE(app, argc, argv);
  return status;
}
