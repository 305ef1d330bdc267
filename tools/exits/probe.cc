// exeunt probe estimates what a model could save with early exits, before anything is fitted or trained.
#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/exit_heads.h"
#include "base/error.h"
#include "base/write_file.h"
#include "costs/layer_costs.h"
#include "tools/exits/exits_file.h"
#include "tools/exits/probe_result.h"
#include "tools/exits/state_corpus.h"
#include "tools/rank_verb.h"
#include "tools/verbs.h"

namespace exeunt::tools {
namespace {

struct ProbeOptions {
  CorpusOptions corpus;
  std::string exits;
  std::string html;
  int batch_rows = 16;
};

class Probe {
 public:
  Probe(const ProbeOptions& options, const transport::MpiSession& mpi) : options_(options), mpi_(mpi) {}
  Status Run();

 private:
  Status Measure();
  void Judge(const AnswerStates& states, ExitJudge* judge);
  void Sum();

  const ProbeOptions& options_;
  const transport::MpiSession& mpi_;
  std::unique_ptr<StateCorpus> corpus_;
  std::vector<FittedExit> fitted_;
  std::vector<Agreements> agreements_;
  ProbeResult result_;
};

// Measures the costs of a layer, a fill and the head on this machine, for a row in a batch.
Status Probe::Measure() {
  ASSIGN_OR_RETURN(const LayerCosts costs,
                   MeasureLayerCosts(*MakeCpuBackend(), corpus_->shared_source(), options_.corpus.threads));
  const int rows = options_.batch_rows;
  const double layer = costs.layer.At(rows);
  result_.costs = {rows, 1e6 * layer / rows, costs.fill.At(rows) / layer, costs.head.At(rows) / layer};
  return OkStatus();
}

void Probe::Judge(const AnswerStates& states, ExitJudge* judge) {
  const int n_layers = result_.n_layers;
  judge->SetLast(states.at.at(n_layers).data(), states.rows);
  const size_t first = agreements_.size();
  agreements_.resize(first + static_cast<size_t>(states.rows),
                     Agreements(static_cast<size_t>(n_layers), false));
  const auto add = [&](int layer, const float* x, std::map<int, ExitStatistics>* by_layer) {
    const std::vector<JudgedRow>& judged = judge->Judge(x);
    for (size_t r = 0; r < judged.size(); ++r) {
      (*by_layer)[layer].Add(judged[r]);
      if (judged[r].agrees) agreements_[first + r][static_cast<size_t>(layer)] = true;
    }
  };
  for (int layer = 1; layer < n_layers; ++layer) add(layer, states.at.at(layer).data(), &result_.raw);
  for (const FittedExit& exit : fitted_) {
    if (!exit.translator) continue;
    const fit::RowMajorMatrix mapped = exit.translator->Apply(states.at.at(exit.layer).data(), states.rows);
    // If an exit has a translator, its token with the translator counts.
    for (size_t r = first; r < agreements_.size(); ++r)
      agreements_[r][static_cast<size_t>(exit.layer)] = false;
    add(exit.layer, mapped.data(), &result_.fitted);
  }
}

void Probe::Sum() {
  std::vector<int> layers;
  for (int layer = 1; layer < result_.n_layers; ++layer) layers.push_back(layer);
  for (const Agreements& agrees : agreements_) ++result_.oracle[OracleDepth(agrees)];
  result_.every_layer = OracleChoice(agreements_, layers, result_.costs);
  if (!fitted_.empty()) layers.clear();
  for (const FittedExit& exit : fitted_) layers.push_back(exit.layer);
  result_.worth = WorthHaving(agreements_, layers, result_.costs, 6);
}

Status Probe::Run() {
  ASSIGN_OR_RETURN(corpus_, StateCorpus::Create(options_.corpus, mpi_));
  if (!corpus_->leads()) return corpus_->Serve();
  if (!options_.exits.empty()) {
    ASSIGN_OR_RETURN(fitted_, ReadExits(options_.exits, corpus_->source()));
  }
  result_.model = options_.corpus.model.path;
  result_.n_layers = corpus_->source().config().n_layers;
  result_.prompts = corpus_->answers();
  result_.tokens = corpus_->tokens();
  RETURN_IF_ERROR(Measure());
  std::vector<int> depths;
  for (int layer = 1; layer <= result_.n_layers; ++layer) depths.push_back(layer);
  ExitJudge judge(&corpus_->reader());
  RETURN_IF_ERROR(corpus_->ForEach({0, corpus_->answers()}, depths, "probing",
                                   [&](const AnswerStates& states) { Judge(states, &judge); }));
  Sum();
  std::fputs(ProbeTable(result_).c_str(), stdout);
  return options_.html.empty() ? OkStatus() : WriteFile(options_.html, ProbeHtml(result_));
}

}  // namespace

void AddProbe(CLI::App* app, int* status) {
  auto options = std::make_shared<ProbeOptions>();
  CLI::App* verb = app->add_subcommand(
      "probe",
      "What a model could save by leaving early: agreement, oracle depth, cost; over ranks: mpirun -n 2 "
      "exeunt probe MODEL");
  options->corpus.AddTo(verb);
  verb->add_option("--exits", options->exits, "directory of fitted exits, judged beside the raw states");
  verb->add_option("--html", options->html, "write a report with plots to this file");
  verb->add_option("--batch-rows", options->batch_rows, "rows at once, for which costs are measured")
      ->capture_default_str()
      ->check(CLI::Range(1, 32));
  verb->callback([options, status] {
    *status =
        RunOnRanks("probe", [&](const transport::MpiSession& mpi) { return Probe(*options, mpi).Run(); });
  });
}

}  // namespace exeunt::tools
