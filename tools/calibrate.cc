// exeunt calibrate: thresholds with a guarantee (Learn-then-Test, arXiv 2110.01052; CALM, arXiv 2207.07061,
// section 4).
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <memory>
#include <sstream>

#include "base/error.h"
#include "base/write_file.h"
#include "model/json.h"
#include "model/layer_plan.h"
#include "model/sha256.h"
#include "tools/calibration.h"
#include "tools/exit_options.h"
#include "tools/svg_chart.h"
#include "tools/verbs.h"

namespace exeunt {
namespace {

struct CalibrateOptions {
  SweepRequest sweep;
  ExitOptions exit{.mode = "propagate", .measure = "preview"};
  std::string exit_layers = "auto";
  std::vector<float> thresholds = {0.99F, 0.98F, 0.95F, 0.9F, 0.85F, 0.8F,
                                   0.75F, 0.7F,  0.65F, 0.6F, 0.55F, 0.5F};
  std::string name;
  std::string loss = "rouge_l";
  std::string losses_file;
  std::string bound = "wsr";
  std::vector<std::string> consistencies = {"textual"};
  std::vector<double> deltas = {0.1};
  double epsilon = 0.05;
  uint64_t seed = 1;
  std::string html;
};

// One thing that is to be certified.
struct Goal {
  Consistency consistency = Consistency::kTextual;
  double delta = 0.0;
  const char* consistency_name() const { return consistency == Consistency::kRisk ? "risk" : "textual"; }
};

class Calibration {
 public:
  explicit Calibration(CalibrateOptions* options) : options_(*options) {}
  Status Run();

 private:
  Status Prepare();
  Result<LossTable> Losses(Consistency consistency) const;
  Result<LossTable> CustomLosses() const;
  Status Certify(const Goal& goal);
  Status Write(const Goal& goal, const CandidateFigures& figures, size_t candidate) const;
  Result<double> WatchDelta(const Goal& goal, size_t candidate) const;
  std::string DataHash() const;
  std::string Html() const;

  CalibrateOptions& options_;
  std::shared_ptr<const ModelSource> source_;
  std::vector<PromptLine> lines_;
  std::vector<std::vector<SweptAnswer>> answers_;
  Bound bound_ = Bound::kWsr;
  std::string exits_hash_;
  std::string text_;  // of the report
  std::vector<ChartSeries> curves_;
};

Status Calibration::Prepare() {
  SweepRequest& sweep = options_.sweep;
  const auto bound = BoundOf(options_.bound);
  if (!bound)
    return InvalidArgument("--bound '{}' is not hoeffding_bentkus, binomial or wsr", options_.bound);
  bound_ = *bound;
  if (options_.losses_file.empty() && !TextLossOf(options_.loss)) {
    return InvalidArgument("--loss '{}' is not rouge_l, token_f1, exact_match or wer", options_.loss);
  }
  ASSIGN_OR_RETURN(source_, sweep.corpus.model.Open());
  ASSIGN_OR_RETURN(sweep.base, options_.exit.Parse(source_->config().n_layers));
  ASSIGN_OR_RETURN(sweep.exit_layers,
                   ChooseExitLayers(options_.exit_layers, sweep.exits_directory, source_->config().n_layers));
  ASSIGN_OR_RETURN(exits_hash_, ExitsHash(sweep.exits_directory));
  ASSIGN_OR_RETURN(lines_, ReadPromptFile(sweep.corpus.prompts, sweep.corpus.limit));
  sweep.candidates = {Candidate{}};
  std::sort(options_.thresholds.rbegin(), options_.thresholds.rend());
  for (const float threshold : options_.thresholds) {
    if (!(threshold >= 0.0F && threshold < 1.0F))
      return InvalidArgument("--thresholds: {} is outside [0, 1)", threshold);
    sweep.candidates.push_back({false, threshold});
  }
  return OkStatus();
}

// Of each line: {"candidate": "off" or a threshold as the sweep names it, "prompt": place, "loss": number}.
Result<LossTable> Calibration::CustomLosses() const {
  ASSIGN_OR_RETURN(const std::string text, ReadTextFile(options_.losses_file, size_t{1} << 30));
  LossTable losses(answers_.size(), std::vector<double>(lines_.size(), std::nan("")));
  size_t number = 0;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    ++number;
    ASSIGN_OR_RETURN(const auto object, ParseJsonObject(line));
    const auto* candidate = object.if_contains("candidate");
    const auto* prompt = object.if_contains("prompt");
    const auto* loss = object.if_contains("loss");
    const bool valid = candidate != nullptr && candidate->is_string() && prompt != nullptr &&
                       prompt->is_int64() && prompt->get_int64() >= 0 &&
                       prompt->get_int64() < static_cast<int64_t>(lines_.size()) && loss != nullptr &&
                       loss->is_number();
    if (!valid) {
      return InvalidArgument("{}:{}: needs 'candidate', 'prompt' under {} and 'loss'", options_.losses_file,
                             number, lines_.size());
    }
    for (size_t c = 0; c < answers_.size(); ++c) {
      if (options_.sweep.candidates[c].Name() != std::string_view(candidate->get_string())) continue;
      losses[c][static_cast<size_t>(prompt->get_int64())] = loss->to_number<double>();
    }
  }
  for (size_t c = 0; c < losses.size(); ++c) {
    const auto missing =
        std::find_if(losses[c].begin(), losses[c].end(), [](double x) { return std::isnan(x); });
    if (missing == losses[c].end()) continue;
    return InvalidArgument("{}: no loss of candidate {}, prompt {}", options_.losses_file,
                           options_.sweep.candidates[c].Name(), missing - losses[c].begin());
  }
  return losses;
}

Result<LossTable> Calibration::Losses(Consistency consistency) const {
  if (!options_.losses_file.empty()) return CustomLosses();
  if (consistency == Consistency::kRisk) {
    for (size_t p = 0; p < lines_.size(); ++p) {
      if (!lines_[p].reference.empty()) continue;
      return InvalidArgument("{}:{}: risk needs a 'reference' in every line", options_.sweep.corpus.prompts,
                             p + 1);
    }
  }
  return TextLosses(*TextLossOf(options_.loss), consistency, lines_, answers_);
}

std::string Calibration::DataHash() const {
  Sha256 sha;
  for (const PromptLine& line : lines_) {
    sha.Update(line.prompt.c_str(), line.prompt.size() + 1);
    sha.Update(line.reference.c_str(), line.reference.size() + 1);
  }
  return sha.Hex();
}

std::string Today() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[16];
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%d", &utc)};
}

// Of textual loss, whatever was certified; a user's own losses are watched by nothing.
Result<double> Calibration::WatchDelta(const Goal& goal, size_t candidate) const {
  if (goal.consistency == Consistency::kTextual || !options_.losses_file.empty()) return goal.delta;
  const LossTable textual = TextLosses(*TextLossOf(options_.loss), Consistency::kTextual, lines_, answers_);
  return UpperBound(bound_, textual[candidate], {.epsilon = options_.epsilon, .seed = options_.seed});
}

Status Calibration::Write(const Goal& goal, const CandidateFigures& figures, size_t candidate) const {
  const SweepRequest& sweep = options_.sweep;
  const TensorView* weight = source_->Find("blk.0.attn_q.weight");
  const DType type =
      source_->adapter() == nullptr ? weight->dtype : source_->adapter()->MergedType(weight->dtype);
  Certificate c;
  c.name = fmt::format("{}-{}-{}", options_.name, goal.consistency_name(), goal.delta);
  c.consistency = goal.consistency;
  c.loss = options_.losses_file.empty() ? options_.loss : "custom";
  c.bound = bound_;
  c.delta = goal.delta;
  c.epsilon = options_.epsilon;
  c.n = static_cast<int64_t>(lines_.size());
  c.seed = options_.seed;
  c.data_hash = DataHash();
  c.p_value = figures.p_value;
  c.mean_loss = figures.mean_loss;
  c.mean_layers = figures.mean_layers;
  ASSIGN_OR_RETURN(c.watch_delta, WatchDelta(goal, candidate));
  c.model_hash = source_->ContentHash();
  c.exits_hash = exits_hash_;
  c.weight_type = Info(type).name;
  c.backend = "cpu";
  c.exit_layers = sweep.exit_layers;
  c.setting = sweep.base;
  c.setting.threshold = sweep.candidates[candidate].threshold;
  c.max_tokens = sweep.corpus.max_tokens;
  c.created = Today();
  const std::string directory = sweep.exits_directory + "/certificates";
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return Unavailable("{}: {}", directory, error.message());
  const std::string json = ToJson(c);
  const auto checked = ParseCertificate(json);  // a name that could not be served is found here
  if (!checked) return checked.error();
  return WriteFile(directory + "/" + c.name + ".json", json + "\n");
}

Status Calibration::Certify(const Goal& goal) {
  ASSIGN_OR_RETURN(const LossTable losses, Losses(goal.consistency));
  ASSIGN_OR_RETURN(const CalibrationOutcome outcome,
                   Calibrate(bound_, {goal.delta, options_.epsilon, options_.seed}, options_.sweep.candidates,
                             answers_, TestedLosses(goal.consistency, losses)));
  text_ +=
      fmt::format("\n{} consistency, delta {}, epsilon {}, {} prompts, {} by {}\n", goal.consistency_name(),
                  goal.delta, options_.epsilon, lines_.size(), options_.loss, options_.bound);
  text_ += "threshold  mean layers  loss tested   p-value\n";
  curves_.push_back({.name = fmt::format("{} {}", goal.consistency_name(), goal.delta)});
  for (size_t i = 0; i < outcome.candidates.size(); ++i) {
    const CandidateFigures& f = outcome.candidates[i];
    text_ += fmt::format("{:>9}       {:>6.2f}       {:>6.4f}  {:>8.2g}{}\n", f.name, f.mean_layers,
                         f.mean_loss, f.p_value, outcome.chosen == i ? "  <- certified" : "");
    curves_.back().points.emplace_back(f.mean_layers, f.mean_loss);
  }
  std::sort(curves_.back().points.begin(), curves_.back().points.end());
  if (!outcome.chosen) {
    text_ += "no threshold is certified: requests would have to run in full\n";
    return OkStatus();
  }
  return Write(goal, outcome.candidates[*outcome.chosen], *outcome.chosen + 1);
}

std::string Calibration::Html() const {
  const Chart chart{.title = "What leaving early costs",
                    .x_label = "mean layers a token",
                    .y_label = "loss tested",
                    .series = curves_};
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>exeunt calibrate: "
      "{0}</title></head>"
      "<body style=\"font:15px system-ui,sans-serif;max-width:900px;margin:2em "
      "auto\"><h1>{0}</h1>{1}<pre>{2}</pre>"
      "</body></html>\n",
      EscapeHtml(options_.name), RenderSvg(chart), EscapeHtml(text_));
}

Status Calibration::Run() {
  RETURN_IF_ERROR(Prepare());
  ASSIGN_OR_RETURN(answers_, RunSweep(options_.sweep));
  for (const std::string& consistency : options_.consistencies) {
    for (const double delta : options_.deltas) {
      RETURN_IF_ERROR(Certify({consistency == "risk" ? Consistency::kRisk : Consistency::kTextual, delta}));
    }
  }
  std::fputs(text_.c_str(), stdout);
  return options_.html.empty() ? OkStatus() : WriteFile(options_.html, Html());
}

}  // namespace

void AddCalibrate(CLI::App* app, int* status) {
  auto options = std::make_shared<CalibrateOptions>();
  CLI::App* verb = app->add_subcommand(
      "calibrate", "Certify exit thresholds: sweep the calibration prompts, test, write certificates");
  options->sweep.corpus.AddTo(verb);
  verb->add_option("--exits", options->sweep.exits_directory,
                   "directory of the exits; certificates are written to its `certificates`")
      ->required();
  verb->add_option("--exit-layers", options->exit_layers,
                   "exits after these layers; those of --exits by default");
  verb->add_option("--thresholds", options->thresholds, "thresholds, tested from the largest")
      ->delimiter(',');
  verb->add_option("--name", options->name, "certificates are called NAME-CONSISTENCY-DELTA")->required();
  verb->add_option("--loss", options->loss, "rouge_l, token_f1, exact_match or wer")->capture_default_str();
  verb->add_option(
      "--losses", options->losses_file,
      R"(your own losses: JSONL of {"candidate", "prompt", "loss"} for every answer of the sweep)");
  verb->add_option("--bound", options->bound, "wsr, hoeffding_bentkus or binomial")->capture_default_str();
  verb->add_option("--consistency", options->consistencies, "textual, risk or both, by commas")
      ->delimiter(',')
      ->check(CLI::IsMember({"textual", "risk"}));
  verb->add_option("--delta", options->deltas, "tolerances, by commas")
      ->delimiter(',')
      ->check(CLI::Range(1e-6, 0.999));
  verb->add_option("--epsilon", options->epsilon, "chance that a certificate is wrong, at most")
      ->capture_default_str()
      ->check(CLI::Range(1e-6, 0.5));
  verb->add_option("--order-seed", options->seed, "of the order in which wsr takes the losses")
      ->capture_default_str();
  verb->add_option("-o,--out", options->sweep.file,
                   "JSONL file of the generations: goes on where it was stopped")
      ->required();
  verb->add_option("--html", options->html, "write a report with the trade-off curve to this file");
  options->exit.AddTo(verb);
  verb->callback([options, status] { *status = Report("calibrate", Calibration(options.get()).Run()); });
}

}  // namespace exeunt
