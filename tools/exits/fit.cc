// exeunt fit fits exits for a model from its own answers to prompts.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "base/error.h"
#include "fit/logistic_regression.h"
#include "model/layer_span.h"
#include "tools/exits/candidate_fit.h"
#include "tools/exits/exit_statistics.h"
#include "tools/exits/exits_file.h"
#include "tools/exits/state_corpus.h"
#include "tools/exits/translator_refinement.h"
#include "tools/rank_verb.h"
#include "tools/verbs.h"

namespace exeunt::tools {
namespace {

constexpr int kRefinePasses = 4;

struct FitOptions {
  CorpusOptions corpus;
  std::string exit_layers = "auto";
  std::string keep;
  std::string out;
  double ridge = 1e-3;
  std::optional<int> refine_passes;
  std::string classifier = "per-exit";
  int passes = 6;
  int rank = 64;
  int groups = 16;
  size_t candidates = 512;
  double holdout = 0.3;
};

// The intermediate results of one exit's fit.
struct ExitWork {
  FittedExit fitted;
  std::vector<bool> agrees;   // agreement by row of the held-out answers
  ExitStatistics statistics;  // statistics of the evaluated answers
  Reliability preview;
  Reliability candidates;
  Reliability classifier;
  ExitStatistics unrefined;  // statistics of the evaluated answers without refining, if it was tried
  bool refined = false;      // whether the refined map was kept
};

class Fit {
 public:
  Fit(const FitOptions& options, const transport::MpiSession& mpi) : options_(options), mpi_(mpi) {}
  Status Run();

 private:
  Status Prepare();
  std::vector<int> Depths(bool with_last) const;
  Status FitTranslators();
  Status Refine();
  Status FitPreview();
  Status FitCandidates();
  Status LabelRows();
  Status FitClassifiers();
  Status Write() const;
  void Print() const;

  const FitOptions& options_;
  const transport::MpiSession& mpi_;
  std::unique_ptr<StateCorpus> corpus_;
  // Maps and the preview are fitted on the first part. Classifiers are fitted on the second part with the
  // results of those maps. Everything is evaluated on the third part.
  AnswerRange fitted_, labelled_, evaluated_;
  std::vector<ExitWork> exits_;
  size_t labelled_rows_ = 0;  // rows of labelled_
  std::optional<fit::LowRankHead> preview_;
  std::optional<PreviewHead> preview_head_;
  std::optional<CandidateHead> candidates_;
  fit::RowMajorMatrix translated_;  // [rows, d_model]
};

Status Fit::Prepare() {
  if (options_.rank % 32 != 0)
    return InvalidArgument("--preview-rank {} is not a multiple of 32", options_.rank);
  ASSIGN_OR_RETURN(corpus_, StateCorpus::Create(options_.corpus, mpi_));
  const ModelConfig& model = corpus_->source().config();
  if (options_.rank > model.d_model) {
    return InvalidArgument("--preview-rank {} is over the model's {} dimensions", options_.rank,
                           model.d_model);
  }
  if (options_.keep.empty()) {
    ASSIGN_OR_RETURN(const auto layers, ParseExitLayers(options_.exit_layers, model.n_layers));
    for (const int layer : layers) exits_.push_back({.fitted = {.layer = layer}});
  } else {
    ASSIGN_OR_RETURN(auto kept, ReadExits(options_.keep, corpus_->source()));
    for (FittedExit& exit : kept) exits_.push_back({.fitted = std::move(exit)});
  }
  if (exits_.empty()) return InvalidArgument("there are no exits to fit");
  const size_t answers = corpus_->answers();
  const auto held_out = static_cast<size_t>(options_.holdout * static_cast<double>(answers));
  if (held_out < 2 || held_out >= answers) {
    return InvalidArgument(
        "--holdout {}: of {} answers it leaves {} to fit on and {} to judge by, 2 at least", options_.holdout,
        answers, answers - held_out, held_out);
  }
  fitted_ = {0, answers - held_out};
  labelled_ = {fitted_.end, answers - held_out / 2};
  evaluated_ = {labelled_.end, answers};
  return OkStatus();
}

std::vector<int> Fit::Depths(bool with_last) const {
  std::vector<int> depths;
  for (const ExitWork& exit : exits_) depths.push_back(exit.fitted.layer);
  if (with_last) depths.push_back(corpus_->source().config().n_layers);
  return depths;
}

// Fits translators only for exits that have none.
Status Fit::FitTranslators() {
  const ModelConfig& model = corpus_->source().config();
  std::map<int, fit::RidgeRegression> sums;
  for (const ExitWork& exit : exits_) {
    if (!exit.fitted.translator) sums.try_emplace(exit.fitted.layer, model.d_model, model.d_model);
  }
  if (sums.empty()) return OkStatus();
  RETURN_IF_ERROR(corpus_->ForEach(fitted_, Depths(true), "translators", [&](const AnswerStates& states) {
    for (auto& [layer, sum] : sums) {
      sum.Add(states.at.at(layer).data(), states.at.at(model.n_layers).data(), states.rows);
    }
  }));
  for (ExitWork& exit : exits_) {
    if (!exit.fitted.translator) exit.fitted.translator = sums.at(exit.fitted.layer).Solve(options_.ridge);
  }
  return OkStatus();
}

// Keeps a refined translator if it is better on the second part.
Status Fit::Refine() {
  const int passes = options_.refine_passes.value_or(options_.keep.empty() ? kRefinePasses : 0);
  if (passes == 0) return OkStatus();
  const int n_layers = corpus_->source().config().n_layers;
  std::vector<FittedExit> before;
  for (const ExitWork& exit : exits_) before.push_back(exit.fitted);
  ASSIGN_OR_RETURN(const std::vector<fit::AffineMap> refined,
                   RefineTranslators(corpus_.get(), fitted_, before, passes));
  std::vector<double> gain(exits_.size(), 0.0);  // reduction of the divergence by refining, summed
  ExitJudge judge(&corpus_->reader());
  const auto visit = [&](AnswerRange range, const auto& row) {
    return corpus_->ForEach(range, Depths(true), "refined", [&](const AnswerStates& states) {
      judge.SetLast(states.at.at(n_layers).data(), states.rows);
      for (size_t e = 0; e < exits_.size(); ++e)
        row(e, states.at.at(exits_[e].fitted.layer).data(), states.rows);
    });
  };
  RETURN_IF_ERROR(visit(labelled_, [&](size_t e, const float* x, int rows) {
    translated_ = exits_[e].fitted.translator->Apply(x, rows);
    for (const JudgedRow& row : judge.Judge(translated_.data())) gain[e] += row.divergence;
    translated_ = refined[e].Apply(x, rows);
    for (const JudgedRow& row : judge.Judge(translated_.data())) gain[e] -= row.divergence;
  }));
  RETURN_IF_ERROR(visit(evaluated_, [&](size_t e, const float* x, int rows) {
    translated_ = exits_[e].fitted.translator->Apply(x, rows);
    for (const JudgedRow& row : judge.Judge(translated_.data())) exits_[e].unrefined.Add(row);
  }));
  for (size_t e = 0; e < exits_.size(); ++e) {
    exits_[e].refined = gain[e] > 0.0;
    if (exits_[e].refined) exits_[e].fitted.translator = refined[e];
  }
  return OkStatus();
}

// Fits the preview over the states of all exits and of the last layer, after the head's norm.
Status Fit::FitPreview() {
  if (options_.rank == 0) return OkStatus();
  StateReader& reader = corpus_->reader();
  const ModelConfig& model = corpus_->source().config();
  fit::LowRankHeadFit sums(model.d_model);
  const auto add = [&](float* x, int rows) {
    for (int r = 0; r < rows; ++r) reader.HeadNorm(x + r * model.d_model, x + r * model.d_model);
    sums.Add(x, rows);
  };
  RETURN_IF_ERROR(corpus_->ForEach(fitted_, Depths(true), "preview", [&](const AnswerStates& states) {
    for (const ExitWork& exit : exits_) {
      translated_ = exit.fitted.translator->Apply(states.at.at(exit.fitted.layer).data(), states.rows);
      add(translated_.data(), states.rows);
    }
    std::vector<float> last = states.at.at(model.n_layers);
    add(last.data(), states.rows);
  }));
  const PackedMatrix& head = reader.weights().head.parts()[0].weight;
  preview_ =
      sums.Solve(options_.rank, model.vocab_size, [&](int row, float* to) { head.UnpackRow(row, to); });
  preview_head_ = MakePreviewHead({options_.rank, options_.groups}, preview_->down.data(),
                                  preview_->basis.data(), reader.weights().head);
  return OkStatus();
}

// Finds the most frequent tokens on the first part, and fits the mass outside the candidates on the second.
Status Fit::FitCandidates() {
  if (options_.candidates == 0) return OkStatus();
  std::vector<FittedExit> exits;
  for (const ExitWork& exit : exits_) exits.push_back(exit.fitted);
  candidates_ = FrequentTokens(corpus_.get(), fitted_, options_.candidates);
  ASSIGN_OR_RETURN(const auto outside,
                   FitOutside(corpus_.get(), labelled_, exits, *candidates_, options_.ridge));
  for (size_t e = 0; e < exits_.size(); ++e) exits_[e].fitted.outside = outside[e];
  return OkStatus();
}

// Labels each row with whether the exit's token is the last layer's.
Status Fit::LabelRows() {
  const ModelConfig& model = corpus_->source().config();
  ExitJudge judge(&corpus_->reader());
  std::vector<ExitToken> tokens;
  size_t answer = labelled_.begin;
  return corpus_->ForEach(
      {labelled_.begin, evaluated_.end}, Depths(true), "agreement", [&](const AnswerStates& states) {
        const bool evaluated = answer++ >= evaluated_.begin;
        const auto rows = static_cast<size_t>(states.rows);
        if (!evaluated) labelled_rows_ += rows;
        judge.SetLast(states.at.at(model.n_layers).data(), states.rows);
        for (ExitWork& exit : exits_) {
          translated_ = exit.fitted.translator->Apply(states.at.at(exit.fitted.layer).data(), states.rows);
          if (preview_head_ && evaluated) {
            tokens.resize(rows);
            corpus_->reader().Previews(*preview_head_, translated_.data(), states.rows, tokens.data());
            for (size_t r = 0; r < rows; ++r)
              exit.preview.Add(double{tokens[r].margin}, tokens[r].token == states.tokens[r]);
          }
          if (candidates_ && evaluated) {
            tokens.resize(rows);
            corpus_->reader().Candidates(*candidates_, *exit.fitted.outside, states.prompt,
                                         translated_.data(), states.rows, tokens.data());
            for (size_t r = 0; r < rows; ++r)
              exit.candidates.Add(double{tokens[r].margin}, tokens[r].token == states.tokens[r]);
          }
          const std::vector<JudgedRow>& judged = judge.Judge(translated_.data());
          for (size_t r = 0; r < rows; ++r) {
            exit.agrees.push_back(judged[r].agrees);
            if (evaluated) exit.statistics.Add(judged[r]);
          }
        }
      });
}

Status Fit::FitClassifiers() {
  if (options_.classifier == "none") return OkStatus();
  const bool shared = options_.classifier == "shared";
  const int d = corpus_->source().config().d_model;
  std::vector<fit::LogisticRegression> fits(shared ? 1 : exits_.size(), fit::LogisticRegression(d));
  const auto visit = [&](AnswerRange range, const char* what, const auto& row) {
    size_t at = range.begin == labelled_.begin ? 0 : labelled_rows_;
    return corpus_->ForEach(range, Depths(false), what, [&](const AnswerStates& states) {
      for (size_t e = 0; e < exits_.size(); ++e) {
        const float* x = states.at.at(exits_[e].fitted.layer).data();
        for (int r = 0; r < states.rows; ++r)
          row(e, x + r * d, exits_[e].agrees[at + static_cast<size_t>(r)]);
      }
      at += static_cast<size_t>(states.rows);
    });
  };
  for (int pass = 0; pass < options_.passes; ++pass) {
    RETURN_IF_ERROR(visit(labelled_, "classifiers", [&](size_t e, const float* x, bool agrees) {
      fits[shared ? 0 : e].Add(x, agrees);
    }));
    for (fit::LogisticRegression& fit : fits) fit.Step(options_.ridge);
  }
  RETURN_IF_ERROR(visit(evaluated_, "classifiers", [&](size_t e, const float* x, bool agrees) {
    exits_[e].classifier.Add(fits[shared ? 0 : e].Probability(x), agrees);
  }));
  for (size_t e = 0; e < exits_.size(); ++e) {
    const fit::LogisticRegression& fit = fits[shared ? 0 : e];
    exits_[e].fitted.classifier = FittedClassifier{fit.weight(), fit.bias()};
  }
  return OkStatus();
}

Status Fit::Write() const {
  FittedExits fitted{.preview = preview_, .preview_groups = options_.groups};
  if (candidates_) fitted.candidates = candidates_->tokens;
  for (const ExitWork& exit : exits_) fitted.exits.push_back(exit.fitted);
  return WriteExits(options_.out, corpus_->source(), fitted);
}

void Fit::Print() const {
  std::printf("%zu answers, %zu tokens; evaluated on %llu\n", corpus_->answers(), corpus_->tokens(),
              static_cast<unsigned long long>(exits_.front().statistics.rows));
  std::puts("after layer  agreement     KL   AUC: softmax  classifier   above .9: share  agreement");
  for (const ExitWork& exit : exits_) {
    const ExitStatistics& s = exit.statistics;
    const Reliability::Above above = s.softmax.AtLeast(0.9);
    std::puts(fmt::format(
                  "{:>11}      {:.3f}  {:>5.2f}          {:.3f}       {:.3f}             {:.3f}      {:.3f}",
                  exit.fitted.layer, s.agreement(), s.mean_divergence(), s.softmax.Auc(),
                  exit.classifier.Auc(), above.share, above.agreement)
                  .c_str());
  }
  const auto cheap = [&](const char* name, Reliability ExitWork::*of) {
    std::puts(fmt::format("{:<12} agreement    AUC   above .9: share  agreement", name).c_str());
    for (const ExitWork& exit : exits_) {
      const Reliability::Above above = (exit.*of).AtLeast(0.9);
      std::puts(fmt::format("{:>11}      {:.3f}  {:.3f}             {:.3f}      {:.3f}", exit.fitted.layer,
                            (exit.*of).AtLeast(0.0).agreement, (exit.*of).Auc(), above.share, above.agreement)
                    .c_str());
    }
  };
  if (preview_) cheap("preview", &ExitWork::preview);
  if (candidates_) cheap("candidates", &ExitWork::candidates);
  for (const ExitWork& exit : exits_) {
    if (exit.unrefined.rows == 0) continue;
    std::puts(fmt::format("after layer {}: {}; before: agreement {:.3f}, KL {:.2f}", exit.fitted.layer,
                          exit.refined ? "refined" : "refining made it worse, left as it was",
                          exit.unrefined.agreement(), exit.unrefined.mean_divergence())
                  .c_str());
  }
  if (preview_) {
    std::puts(fmt::format("preview of rank {}: {:.1f} % of the logits' variance", options_.rank,
                          100 * preview_->explained)
                  .c_str());
  }
}

Status Fit::Run() {
  RETURN_IF_ERROR(Prepare());
  if (!corpus_->leads()) return corpus_->Serve();
  RETURN_IF_ERROR(FitTranslators());
  RETURN_IF_ERROR(Refine());
  RETURN_IF_ERROR(FitPreview());
  RETURN_IF_ERROR(FitCandidates());
  RETURN_IF_ERROR(LabelRows());
  RETURN_IF_ERROR(FitClassifiers());
  RETURN_IF_ERROR(Write());
  Print();
  return OkStatus();
}

}  // namespace

void AddFit(CLI::App* app, int* status) {
  auto options = std::make_shared<FitOptions>();
  CLI::App* verb = app->add_subcommand("fit",
                                       "Fit exits to a model: translators, classifiers, a cheap head; over "
                                       "ranks: mpirun -n 2 exeunt fit MODEL");
  options->corpus.AddTo(verb);
  verb->add_option("-o,--out", options->out, "directory for exits.json and exits.safetensors")->required();
  verb->add_option("--exit-layers", options->exit_layers, "exits after these layers: auto, or 12,18,24")
      ->capture_default_str();
  verb->add_option("--keep", options->keep, "directory of exits whose layers and translators are kept");
  verb->add_option("--ridge", options->ridge, "penalty, relative to the mean square of a state's element")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  verb->add_option(
          "--refine-passes", options->refine_passes,
          fmt::format("gradient descent on KL to the last layer after that, one pass over the answers "
                      "each; {} if not given, with --keep 0",
                      kRefinePasses))
      ->check(CLI::Range(0, 100));
  verb->add_option("--classifier", options->classifier, "per-exit, shared or none")
      ->capture_default_str()
      ->check(CLI::IsMember({"per-exit", "shared", "none"}));
  verb->add_option("--classifier-passes", options->passes, "Newton steps, one pass over the answers each")
      ->capture_default_str()
      ->check(CLI::Range(1, 100));
  verb->add_option("--preview-rank", options->rank, "directions of the cheap head; 0: none")
      ->capture_default_str()
      ->check(CLI::Range(0, 4096));
  verb->add_option("--preview-groups", options->groups, "groups of 16 tokens that it computes exactly")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  verb->add_option("--candidates", options->candidates,
                   "most frequent tokens of the answers that exits may look at, beside the prompt's; 0: none")
      ->capture_default_str()
      ->check(CLI::Range(size_t{0}, kMostCandidates));
  verb->add_option("--holdout", options->holdout, "share of the answers for classifiers and for judging")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  verb->callback([options, status] {
    *status = RunOnRanks("fit", [&](const transport::MpiSession& mpi) { return Fit(*options, mpi).Run(); });
  });
}

}  // namespace exeunt::tools
