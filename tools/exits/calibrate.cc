// exeunt calibrate finds thresholds with a guarantee (Learn-then-Test, arXiv 2110.01052; CALM, arXiv
// 2207.07061, section 4).
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <memory>
#include <set>

#include "base/error.h"
#include "base/mmap.h"
#include "base/sha256.h"
#include "base/write_file.h"
#include "tools/exits/calibration.h"
#include "tools/exits/loss_file.h"
#include "tools/exits/setting_grid.h"
#include "tools/exits/svg_chart.h"
#include "tools/verbs.h"

namespace exeunt::tools {
namespace {

struct CalibrateOptions {
  SweepRequest sweep;
  SettingGrid grid{
      .thresholds = {0.99F, 0.98F, 0.95F, 0.9F, 0.85F, 0.8F, 0.75F, 0.7F, 0.65F, 0.6F, 0.55F, 0.5F}};
  std::string exit_layers = "auto";
  std::string development;
  std::string name;
  bool family = false;
  std::string loss = "rouge_l";
  std::string losses_file;
  std::string bound = "wsr";
  std::vector<std::string> consistencies = {"textual"};
  std::vector<double> deltas = {0.1};
  double epsilon = 0.05;
  uint64_t seed = 1;
  std::string html;
};

// One property to certify.
struct Goal {
  certify::Consistency consistency = certify::Consistency::kTextual;
  double delta = 0.0;
  const char* consistency_name() const {
    return consistency == certify::Consistency::kRisk ? "risk" : "textual";
  }
};

class Calibration {
 public:
  explicit Calibration(CalibrateOptions* options) : options_(*options) {}
  Status Run();

 private:
  Status Prepare();
  Status CheckNames(const Goal& goal) const;
  Status Order();
  Status OrderOnDevelopment();
  Status Generate();
  Result<LossTable> Losses(certify::Consistency consistency) const;
  Status Certify(const Goal& goal);
  void Describe(const Goal& goal, const CalibrationOutcome& outcome);
  Status Write(const Goal& goal, const CalibrationOutcome& outcome) const;
  Result<certify::Certificate> MakeCertificate(const Goal& goal, const SettingFigures& figures) const;
  Result<double> WatchDelta(const Goal& goal, size_t setting) const;
  std::string DataHash() const;
  std::string Html() const;
  certify::BoundOptions TestOf(const Goal& goal) const {
    return {goal.delta, options_.epsilon, options_.seed};
  }
  // Returns the name of its certificate, or of the family.
  std::string NameOf(const Goal& goal) const {
    return fmt::format("{}-{}-{}", options_.name, goal.consistency_name(), goal.delta);
  }
  std::string CertificateName(const Goal& goal, const ExitSetting& setting) const {
    return options_.family ? NameOf(goal) + "-" + SettingName(setting) : NameOf(goal);
  }

  CalibrateOptions& options_;
  std::shared_ptr<const ModelSource> source_;
  std::optional<TokenCost> cost_;
  std::vector<PromptLine> lines_;
  std::vector<ExitSetting> settings_;
  std::vector<Goal> goals_;
  std::map<certify::Consistency, std::vector<size_t>> orders_;  // places in settings_
  SweptAnswers answers_;  // answers of the settings that an order names, and of `off`
  certify::Bound bound_ = certify::Bound::kWsr;
  std::string exits_hash_;
  std::vector<certify::Certificate> earlier_;
  std::string text_;  // text of the report
  std::vector<ChartSeries> curves_;
};

Status Calibration::Prepare() {
  SweepRequest& sweep = options_.sweep;
  const auto bound = certify::BoundOf(options_.bound);
  if (!bound)
    return InvalidArgument("--bound '{}' is not hoeffding_bentkus, binomial or wsr", options_.bound);
  bound_ = *bound;
  if (!certify::TextLossOf(options_.loss)) {
    return InvalidArgument("--loss '{}' is not rouge_l, token_f1, exact_match or wer", options_.loss);
  }
  ASSIGN_OR_RETURN(source_, sweep.corpus.model.Open());
  const ModelConfig& model = source_->config();
  ASSIGN_OR_RETURN(settings_, options_.grid.Settings(model.n_layers));
  ASSIGN_OR_RETURN(sweep.exit_layers,
                   ChooseExitLayers(options_.exit_layers, sweep.exits_directory, model.n_layers));
  ASSIGN_OR_RETURN(exits_hash_, certify::ExitsHash(sweep.exits_directory));
  ASSIGN_OR_RETURN(const ExitHeadsInfo exits, LoadExitHeadsInfo(sweep.exits_directory, model.n_layers));
  cost_.emplace(model, exits, sweep.exit_layers);
  ASSIGN_OR_RETURN(earlier_, certify::LoadCertificates(sweep.exits_directory));
  ASSIGN_OR_RETURN(lines_, ReadPromptFile(sweep.corpus.prompts, sweep.corpus.limit));
  for (const std::string& consistency : options_.consistencies) {
    for (const double delta : options_.deltas) {
      goals_.push_back(
          {consistency == "risk" ? certify::Consistency::kRisk : certify::Consistency::kTextual, delta});
      RETURN_IF_ERROR(EnoughPrompts(bound_, TestOf(goals_.back()), lines_.size()));
      RETURN_IF_ERROR(CheckNames(goals_.back()));
    }
  }
  return OkStatus();
}

// Checks names before hours of generation.
Status Calibration::CheckNames(const Goal& goal) const {
  for (const ExitSetting& setting : settings_) {
    const std::string name = CertificateName(goal, setting);
    if (certify::IsCertificateName(name)) continue;
    return InvalidArgument(
        "--name '{}': a certificate cannot be called '{}', only 1 to 64 of A-Z a-z 0-9 _ . -", options_.name,
        name);
  }
  return OkStatus();
}

// Thresholds of one measure are tested from the largest down. Settings without such an order get one from
// development prompts. These must be other prompts, because an order that has seen the calibration prompts
// makes the test invalid.
Status Calibration::Order() {
  if (!options_.development.empty()) return OrderOnDevelopment();
  if (options_.grid.measures.size() > 1 || options_.grid.min_layers.size() > 1) {
    return InvalidArgument(
        "{} measures and {} minimum layers have no order to be tested in: name prompts to find it on "
        "(--development)",
        options_.grid.measures.size(), options_.grid.min_layers.size());
  }
  std::vector<size_t> order;
  for (size_t s = 1; s < settings_.size(); ++s) order.push_back(s);
  for (const Goal& goal : goals_) orders_[goal.consistency] = order;
  return OkStatus();
}

Status NeedReferences(const std::string& path, const std::vector<PromptLine>& lines) {
  for (size_t p = 0; p < lines.size(); ++p) {
    if (lines[p].reference.empty())
      return InvalidArgument("{}:{}: risk needs a 'reference' in every line", path, p + 1);
  }
  return OkStatus();
}

Status Calibration::OrderOnDevelopment() {
  ASSIGN_OR_RETURN(const auto lines, ReadPromptFile(options_.development, 0));
  std::set<std::string_view> prompts;
  for (const PromptLine& line : lines_) prompts.insert(line.prompt);
  for (size_t p = 0; p < lines.size(); ++p) {
    if (!prompts.contains(lines[p].prompt)) continue;
    return InvalidArgument("{}:{}: is a calibration prompt, too; development prompts must be others",
                           options_.development, p + 1);
  }
  SweepRequest sweep = options_.sweep;
  sweep.corpus.prompts = options_.development;
  sweep.corpus.limit = 0;
  sweep.settings = settings_;
  sweep.file += ".development";
  ASSIGN_OR_RETURN(const SweptAnswers answers, RunSweep(sweep));
  for (const Goal& goal : goals_) {
    if (goal.consistency == certify::Consistency::kRisk)
      RETURN_IF_ERROR(NeedReferences(options_.development, lines));
    const LossTable tested = TestedLosses(
        goal.consistency, TextLosses(*certify::TextLossOf(options_.loss), goal.consistency, lines, answers));
    orders_[goal.consistency] = DevelopmentOrder({settings_, answers, tested, *cost_});
  }
  return OkStatus();
}

// No answers are generated for settings that are not tested.
Status Calibration::Generate() {
  std::set<size_t> needed = {0};
  for (const auto& [unused, order] : orders_) needed.insert(order.begin(), order.end());
  for (const size_t s : needed) options_.sweep.settings.push_back(settings_[s]);
  ASSIGN_OR_RETURN(SweptAnswers swept, RunSweep(options_.sweep));
  answers_.resize(settings_.size());
  auto next = swept.begin();
  for (const size_t s : needed) answers_[s] = std::move(*next++);
  return OkStatus();
}

Result<LossTable> Calibration::Losses(certify::Consistency consistency) const {
  if (consistency == certify::Consistency::kRisk && options_.losses_file.empty()) {
    RETURN_IF_ERROR(NeedReferences(options_.sweep.corpus.prompts, lines_));
  }
  if (options_.losses_file.empty()) {
    return TextLosses(*certify::TextLossOf(options_.loss), consistency, lines_, answers_);
  }
  std::vector<std::string> names;
  std::vector<bool> needed;
  for (size_t s = 0; s < settings_.size(); ++s) {
    names.push_back(SettingName(settings_[s]));
    needed.push_back(!answers_[s].empty());
  }
  return ReadLossFile(options_.losses_file, names, needed, lines_.size());
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

// Uses the textual loss, whatever was certified. Nothing watches a user's own losses.
Result<double> Calibration::WatchDelta(const Goal& goal, size_t setting) const {
  if (goal.consistency == certify::Consistency::kTextual || !options_.losses_file.empty()) return goal.delta;
  const LossTable textual =
      TextLosses(*certify::TextLossOf(options_.loss), certify::Consistency::kTextual, lines_, answers_);
  return certify::UpperBound(bound_, textual[setting], TestOf(goal));
}

Result<certify::Certificate> Calibration::MakeCertificate(const Goal& goal,
                                                          const SettingFigures& figures) const {
  const TensorView* weight = source_->Find("blk.0.attn_q.weight");
  const DType type =
      source_->adapter() == nullptr ? weight->dtype : source_->adapter()->MergedType(weight->dtype);
  certify::Certificate c;
  c.setting = settings_[figures.setting];
  c.name = CertificateName(goal, c.setting);
  if (options_.family) c.family = NameOf(goal);
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
  c.mean_cost = figures.mean_cost;
  c.profile = ProfileOf(answers_[figures.setting], source_->config().n_layers);
  ASSIGN_OR_RETURN(c.watch_delta, WatchDelta(goal, figures.setting));
  c.model_hash = source_->ContentHash();
  c.exits_hash = exits_hash_;
  c.weight_type = Info(type).name;
  c.backend = "cpu";
  c.exit_layers = options_.sweep.exit_layers;
  c.max_tokens = options_.sweep.corpus.max_tokens;
  c.created = Today();
  return certify::ParseCertificate(certify::ToJson(c));  // only certificates that can be read are written
}

// A certificate that is made again from the same answers keeps its date, and therefore a coordinator's
// evidence. They are compared as text, because a number that was read is not always the one that was written.
Status WriteCertificate(const std::string& path, const certify::Certificate& certificate) {
  const std::string made = certify::ToJson(certificate) + "\n";
  const auto undated = [](const std::string& text) { return text.substr(0, text.rfind(R"("created":)")); };
  const auto there = ReadTextFile(path, made.size());
  if (there && undated(*there) == undated(made)) return OkStatus();
  return WriteFile(path, made);
}

// Writes the whole family, or only the fastest. It replaces what an earlier run wrote under this name.
Status Calibration::Write(const Goal& goal, const CalibrationOutcome& outcome) const {
  namespace fs = std::filesystem;
  const std::string directory = options_.sweep.exits_directory + "/certificates/";
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return Unavailable("{}: {}", directory, error.message());
  std::set<std::string> written;
  for (size_t i = options_.family ? 0 : outcome.certified - 1; i < outcome.certified; ++i) {
    ASSIGN_OR_RETURN(const certify::Certificate c, MakeCertificate(goal, outcome.figures[i]));
    RETURN_IF_ERROR(WriteCertificate(directory + c.name + ".json", c));
    written.insert(c.name);
  }
  for (const certify::Certificate& c : earlier_) {
    if ((c.name != NameOf(goal) && c.family != NameOf(goal)) || written.contains(c.name)) continue;
    const std::string path = directory + c.name + ".json";
    fs::remove(path, error);
    if (error) return Unavailable("{}, which no longer holds: {}", path, error.message());
  }
  return OkStatus();
}

void Calibration::Describe(const Goal& goal, const CalibrationOutcome& outcome) {
  text_ += fmt::format("\n{} consistency, delta {}, epsilon {}, {} prompts, {} by {}\n",
                       goal.consistency_name(), goal.delta, options_.epsilon, lines_.size(),
                       options_.losses_file.empty() ? options_.loss : options_.losses_file, options_.bound);
  text_ += "setting                 mean layers    cost  loss tested   p-value\n";
  curves_.push_back({.name = fmt::format("{} {}", goal.consistency_name(), goal.delta)});
  for (size_t i = 0; i < outcome.figures.size(); ++i) {
    const SettingFigures& f = outcome.figures[i];
    const bool written = i + 1 == outcome.certified || (options_.family && i < outcome.certified);
    text_ += fmt::format("{:<22}       {:>6.2f}  {:>6.2f}       {:>6.4f}  {:>8.2g}{}\n",
                         SettingName(settings_[f.setting]), f.mean_layers, f.mean_cost, f.mean_loss,
                         f.p_value, written ? "  <- certified" : "");
    curves_.back().points.emplace_back(f.mean_layers, f.mean_loss);
  }
  std::sort(curves_.back().points.begin(), curves_.back().points.end());
  if (outcome.certified == 0) text_ += "no setting is certified: requests would have to run in full\n";
}

Status Calibration::Certify(const Goal& goal) {
  ASSIGN_OR_RETURN(const LossTable losses, Losses(goal.consistency));
  const LossTable tested = TestedLosses(goal.consistency, losses);
  ASSIGN_OR_RETURN(
      const CalibrationOutcome outcome,
      Calibrate(bound_, TestOf(goal), {settings_, answers_, tested, *cost_}, orders_.at(goal.consistency)));
  Describe(goal, outcome);
  return Write(goal, outcome);
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
  RETURN_IF_ERROR(Order());
  RETURN_IF_ERROR(Generate());
  for (const Goal& goal : goals_) RETURN_IF_ERROR(Certify(goal));
  std::fputs(text_.c_str(), stdout);
  return options_.html.empty() ? OkStatus() : WriteFile(options_.html, Html());
}

}  // namespace

void AddCalibrate(CLI::App* app, int* status) {
  auto options = std::make_shared<CalibrateOptions>();
  CLI::App* verb = app->add_subcommand(
      "calibrate", "Certify exit settings: sweep the calibration prompts, test, write certificates");
  options->sweep.corpus.AddTo(verb);
  verb->add_option("--exits", options->sweep.exits_directory,
                   "directory of the exits; certificates are written to its `certificates`")
      ->required();
  verb->add_option("--exit-layers", options->exit_layers,
                   "exits after these layers; those of --exits by default");
  options->grid.AddTo(verb);
  verb->add_option("--development", options->development,
                   "other prompts, on which the order of the tests is found: needed for several measures or "
                   "minimum layers; generations go to OUT.development");
  verb->add_option("--name", options->name, "certificates are called NAME-CONSISTENCY-DELTA")->required();
  verb->add_flag("--family", options->family,
                 "certify every setting that passes, as the family NAME-CONSISTENCY-DELTA");
  verb->add_option("--loss", options->loss, "rouge_l, token_f1, exact_match or wer")->capture_default_str();
  verb->add_option(
      "--losses", options->losses_file,
      R"(your own losses: JSONL of {"setting", "prompt", "loss"} for every answer of the sweep)");
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
  verb->callback([options, status] { *status = Report("calibrate", Calibration(options.get()).Run()); });
}

}  // namespace exeunt::tools
