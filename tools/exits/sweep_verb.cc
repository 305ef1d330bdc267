#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "tools/exits/setting_grid.h"
#include "tools/exits/sweep.h"
#include "tools/verbs.h"

namespace exeunt::tools {
namespace {

struct SweepOptions {
  SweepRequest request;
  SettingGrid grid{.thresholds = {0.99F, 0.98F, 0.95F, 0.9F, 0.8F, 0.7F, 0.6F, 0.5F}};
  std::string exit_layers = "auto";
};

Status Run(SweepOptions* options) {
  ASSIGN_OR_RETURN(const auto source, options->request.corpus.model.Open());
  const int n_layers = source->config().n_layers;
  ASSIGN_OR_RETURN(options->request.settings, options->grid.Settings(n_layers));
  ASSIGN_OR_RETURN(options->request.exit_layers,
                   ChooseExitLayers(options->exit_layers, options->request.exits_directory, n_layers));
  ASSIGN_OR_RETURN(const auto answers, RunSweep(options->request));
  std::puts("setting                   tokens  mean layers   equal to off");
  for (size_t s = 0; s < answers.size(); ++s) {
    int64_t tokens = 0;
    int64_t layers = 0;
    size_t equal = 0;
    for (size_t p = 0; p < answers[s].size(); ++p) {
      tokens += answers[s][p].tokens();
      layers += answers[s][p].layers();
      equal += answers[s][p].text == answers[0][p].text ? 1 : 0;
    }
    std::puts(fmt::format("{:<22} {:>9}       {:>6.2f}         {:>6.3f}",
                          SettingName(options->request.settings[s]), tokens,
                          static_cast<double>(layers) / static_cast<double>(std::max<int64_t>(tokens, 1)),
                          static_cast<double>(equal) / static_cast<double>(answers[s].size()))
                  .c_str());
  }
  return OkStatus();
}

}  // namespace

void AddSweep(CLI::App* app, int* status) {
  auto options = std::make_shared<SweepOptions>();
  CLI::App* verb = app->add_subcommand(
      "sweep",
      "Generate the same prompts under many exit settings, into a file; goes on where it was stopped");
  options->request.corpus.AddTo(verb);
  verb->add_option("--exits", options->request.exits_directory,
                   "directory with exits.json and exits.safetensors");
  verb->add_option("--exit-layers", options->exit_layers,
                   "exits after these layers; those of --exits by default");
  verb->add_option("-o,--out", options->request.file, "JSONL file of the generations")->required();
  options->grid.AddTo(verb);
  verb->callback([options, status] { *status = Report("sweep", Run(options.get())); });
}

}  // namespace exeunt::tools
