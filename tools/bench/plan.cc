#include "tools/bench/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "backend/cpu/cpu_backend.h"
#include "base/error.h"
#include "base/mmap.h"
#include "certify/certificate.h"
#include "costs/layer_costs.h"
#include "costs/layer_split.h"
#include "tools/bench/simulation.h"
#include "tools/exit_options.h"
#include "tools/model_options.h"
#include "tools/verbs.h"

namespace exeunt::tools {
namespace {

struct PlanOptions {
  ModelOptions model;
  int stages = 2;
  std::string profile;
  std::string exits_directory;
  std::string measure = "forced";
  std::string certificate;
  int streams = 32;
  int threads = 1;
  bool quiet = false;
  bool json = false;
};

boost::json::array ToJson(const CostCurve& curve) {
  boost::json::array points;
  for (const auto& [rows, cost] : curve.points()) points.push_back(boost::json::array{rows, cost * 1e6});
  return points;
}

Status Plan(const PlanOptions& options) {
  ASSIGN_OR_RETURN(const auto source, options.model.Open());
  SplitRequest request{.stages = options.stages, .n_layers = source->config().n_layers};
  ASSIGN_OR_RETURN(request.profile, ParseForced(options.profile, request.n_layers));
  ExitLook look{options.exits_directory, ExitMeasureOf(options.measure).value()};
  if (!options.certificate.empty()) {
    ASSIGN_OR_RETURN(const auto certificates, certify::LoadCertificates(options.exits_directory));
    const certify::Certificate* certificate = certify::FindCertificate(certificates, options.certificate);
    if (certificate == nullptr) {
      return InvalidArgument("--certificate '{}': not in {}/certificates", options.certificate,
                             options.exits_directory);
    }
    request.profile = certificate->profile;
    look.measure = certificate->setting.measure;
  }
  RETURN_IF_ERROR(ParseSplit("even", request));  // checks the number of stages before any measurement
  ASSIGN_OR_RETURN(request.costs, MeasureLayerCosts(*MakeCpuBackend(), source, options.threads, look));
  const BenchWorkload workload{.name = fmt::format("decode:{}", options.streams), .streams = options.streams};
  const auto split = PlanSplit(request, workload, worker::StageConfig{}.prefill_chunk_tokens);
  if (options.quiet) {
    fmt::print("{}\n", SplitText(split));
    return OkStatus();
  }
  request.rows = std::max(1, options.streams / options.stages);
  const LayerSpan all{0, request.n_layers};
  const double token = StageCost(request, all);
  SplitRequest without_exits = request;
  without_exits.profile.clear();
  const double full_token = StageCost(without_exits, all);
  if (options.json) {
    boost::json::object json = {{"threads", options.threads},
                                {"layer_us", ToJson(request.costs.layer)},
                                {"fill_us", ToJson(request.costs.fill)},
                                {"head_us", ToJson(request.costs.head)},
                                {"layers", request.n_layers},
                                {"streams", options.streams},
                                {"token_us", token * 1e6},
                                {"full_token_us", full_token * 1e6},
                                {"split", SplitText(split)}};
    if (request.costs.exit) json["exit_us"] = ToJson(*request.costs.exit);
    fmt::print("{}\n", boost::json::serialize(json));
    return OkStatus();
  }
  fmt::print(
      "a row, of {} in a step, {} thread(s): layer {:.2f} us, fill {:.2f} us a layer, head {:.2f} us; "
      "a token {:.1f} us{}\n",
      request.rows, options.threads, request.costs.layer.Row(request.rows) * 1e6,
      request.costs.fill.Row(request.rows) * 1e6, request.costs.head.Row(request.rows) * 1e6, token * 1e6,
      request.profile.empty() ? "" : fmt::format(", {:.1f} without exits", full_token * 1e6));
  const BenchFigures figures =
      SimulateWorkload(request, split, workload, worker::StageConfig{}.prefill_chunk_tokens);
  fmt::print("simulated:\n{}", FiguresText(workload.name, figures, split));
  fmt::print("--split {}\n", SplitText(split));
  return OkStatus();
}

Result<CostCurve> ReadCurve(const boost::json::value& json, const char* key) {
  const boost::json::array* points = nullptr;
  if (const auto* value = json.as_object().if_contains(key)) points = value->if_array();
  std::vector<std::pair<double, double>> curve;
  for (size_t i = 0; points != nullptr && i < points->size(); ++i) {
    const auto* point = (*points)[i].if_array();
    if (point == nullptr || point->size() != 2 || !(*point)[0].is_number() || !(*point)[1].is_number()) {
      return InvalidArgument("{}[{}] is not [rows, microseconds]", key, i);
    }
    const auto rows = (*point)[0].to_number<double>();
    const double cost = (*point)[1].to_number<double>();
    if (!(rows >= 1 && rows <= 1 << 20) || (i > 0 && rows <= curve.back().first) ||
        !(cost >= 0 && cost < 1e12)) {
      return InvalidArgument("{}[{}]: rows must ascend from 1, costs lie in [0, 1e12) us", key, i);
    }
    curve.emplace_back(rows, cost * 1e-6);
  }
  if (curve.empty()) return InvalidArgument("{} is not a list of [rows, microseconds]", key);
  return CostCurve(std::move(curve));
}

}  // namespace

Result<PlanCosts> ParsePlanCosts(std::string_view text) {
  boost::system::error_code bad;
  const boost::json::value json = boost::json::parse(text, bad);
  if (bad || !json.is_object()) return InvalidArgument("not a JSON object");
  const auto* layers = json.as_object().if_contains("layers");
  if (layers == nullptr || !layers->is_int64() || layers->as_int64() < 1 || layers->as_int64() > 4096) {
    return InvalidArgument("layers is not a number in [1, 4096]");
  }
  PlanCosts plan;
  plan.n_layers = static_cast<int>(layers->as_int64());
  ASSIGN_OR_RETURN(plan.costs.layer, ReadCurve(json, "layer_us"));
  ASSIGN_OR_RETURN(plan.costs.fill, ReadCurve(json, "fill_us"));
  ASSIGN_OR_RETURN(plan.costs.head, ReadCurve(json, "head_us"));
  if (json.as_object().contains("exit_us")) {
    ASSIGN_OR_RETURN(plan.costs.exit, ReadCurve(json, "exit_us"));
  }
  return plan;
}

Result<PlanCosts> ReadPlanCosts(const std::string& path) {
  constexpr size_t kMaxBytes = size_t{1} << 20;
  ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, kMaxBytes));
  auto plan = ParsePlanCosts(text);
  if (!plan.has_value()) return Annotate(plan.error(), path);
  return plan;
}

void AddPlan(CLI::App* app, int* status) {
  auto options = std::make_shared<PlanOptions>();
  CLI::App* verb =
      app->add_subcommand("plan", "Balance the layers over stages by what they cost on this machine");
  options->model.AddTo(verb);
  verb->add_option("--stages", options->stages, "pipeline stages")->capture_default_str();
  verb->add_option("--threads", options->threads, "compute threads a stage")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  verb->add_option("--streams", options->streams, "requests that decode at once, for which the split is")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  verb->add_option("--exit-profile", options->profile,
                   "layer:share,... of tokens that are expected to leave after a layer");
  verb->add_option("--exits", options->exits_directory, "directory with exits.json and exits.safetensors");
  verb->add_option("--exit-measure", options->measure,
                   "what the exits look at, which costs: softmax, preview or candidates; forced: at nothing, "
                   "and tokens that leave run the head")
      ->check(CLI::IsMember(kExitMeasureNames))
      ->capture_default_str();
  verb->add_option("--certificate", options->certificate,
                   "profile and measure as this certificate of --exits has them")
      ->excludes("--exit-profile")
      ->excludes("--exit-measure");
  verb->add_flag("--json", options->json, "one JSON object");
  verb->add_flag("-q,--quiet", options->quiet, "print the split only");
  verb->callback([options, status] { *status = Report("plan", Plan(*options)); });
}

}  // namespace exeunt::tools
