#include "tools/exits/probe_result.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "tools/exits/svg_chart.h"

namespace exeunt::tools {
namespace {

constexpr double kCheapHead = 0.1;     // share of the head's cost: about that of a preview of rank 64
constexpr double kLeastSaving = 0.01;  // least saving for one more exit, as a share of the cost
constexpr int kHistogramBins = 20;
constexpr size_t kMostCurves = 6;  // layers in one chart

double Cost(const ProbeCosts& costs, int depth, int n_layers, size_t checks, double head) {
  return depth + costs.fill * (n_layers - depth) + (depth == n_layers ? costs.head : 0.0) +
         head * static_cast<double>(checks);
}

const std::map<int, ExitStatistics>& Best(const ProbeResult& result) {
  return result.fitted.empty() ? result.raw : result.fitted;
}

Chart AgreementChart(const ProbeResult& result) {
  Chart chart{.title = "Agreement with the last layer",
              .x_label = "layers run",
              .y_label = "share of tokens",
              .y_max = 1.0};
  const auto add = [&](const char* name, const std::map<int, ExitStatistics>& by_layer) {
    if (by_layer.empty()) return;
    chart.series.push_back({.name = name});
    for (const auto& [layer, s] : by_layer) chart.series.back().points.emplace_back(layer, s.agreement());
  };
  add("raw", result.raw);
  add("fitted", result.fitted);
  return chart;
}

Chart DivergenceChart(const ProbeResult& result) {
  Chart chart{.title = "KL(last layer || exit)", .x_label = "layers run", .y_label = "nats"};
  const auto add = [&](const char* name, const std::map<int, ExitStatistics>& by_layer) {
    if (by_layer.empty()) return;
    chart.series.push_back({.name = name});
    for (const auto& [layer, s] : by_layer)
      chart.series.back().points.emplace_back(layer, s.mean_divergence());
  };
  add("raw", result.raw);
  add("fitted", result.fitted);
  return chart;
}

Chart OracleChart(const ProbeResult& result) {
  Chart chart{.title = "Oracle depth: the first layer that agrees",
              .x_label = "layers run",
              .y_label = "share of tokens",
              .bars = true,
              .series = {{.name = "oracle"}}};
  for (const auto& [layer, tokens] : result.oracle) {
    chart.series[0].points.emplace_back(layer,
                                        static_cast<double>(tokens) / static_cast<double>(result.tokens));
  }
  return chart;
}

// Adds the shares of rows and of agreements by bins of the confidence.
void AddBins(const Reliability& reliability, ChartSeries* share, ChartSeries* agreement) {
  uint64_t all = 0;
  for (const uint64_t n : reliability.rows) all += n;
  constexpr int kPerBin = Reliability::kBins / kHistogramBins;
  for (int bin = 0; bin < kHistogramBins; ++bin) {
    uint64_t rows = 0;
    uint64_t agree = 0;
    for (int i = bin * kPerBin; i < (bin + 1) * kPerBin; ++i) {
      rows += reliability.rows[static_cast<size_t>(i)];
      agree += reliability.agreeing[static_cast<size_t>(i)];
    }
    const double middle = (bin + 0.5) / kHistogramBins;
    share->points.emplace_back(middle, all == 0 ? 0.0 : static_cast<double>(rows) / static_cast<double>(all));
    if (rows > 0)
      agreement->points.emplace_back(middle, static_cast<double>(agree) / static_cast<double>(rows));
  }
}

// Returns the fitted exits, else the best set, else layers at even distances.
std::vector<int> ShownLayers(const ProbeResult& result) {
  if (result.fitted.empty() && !result.worth.empty()) return result.worth.back().layers;
  const size_t step = (Best(result).size() + kMostCurves - 1) / kMostCurves;
  std::vector<int> layers;
  size_t place = 0;
  for (const auto& [layer, unused] : Best(result)) {
    if (++place % step == 0) layers.push_back(layer);
  }
  return layers;
}

std::string ConfidenceCharts(const ProbeResult& result) {
  Chart shares{.title = "Confidence (top1 - top2)", .x_label = "confidence", .y_label = "share of tokens"};
  Chart reliability{.title = "Reliability",
                    .x_label = "confidence",
                    .y_label = "agreement",
                    .y_max = 1.0,
                    .diagonal = true};
  for (const int layer : ShownLayers(result)) {
    const auto it = Best(result).find(layer);
    shares.series.push_back({.name = fmt::format("after {}", layer)});
    reliability.series.push_back({.name = fmt::format("after {}", layer)});
    AddBins(it->second.softmax, &shares.series.back(), &reliability.series.back());
  }
  return RenderSvg(shares) + RenderSvg(reliability);
}

std::string Summary(const ProbeResult& r) {
  return fmt::format(
      "{} prompts, {} tokens, {} layers. A layer costs {:.1f} us a row ({} rows at once); a fill {:.3f}, the "
      "head "
      "{:.2f} layers.",
      r.prompts, r.tokens, r.n_layers, r.costs.layer_us, r.costs.rows, r.costs.fill, r.costs.head);
}

std::string Verdict(const ExitChoice& choice) {
  return fmt::format(
      "exits after {}: oracle depth {:.2f}, speed-up at most {:.2f} ({:.2f} with a cheap head)",
      fmt::join(choice.layers, ", "), choice.mean_layers, choice.speed_up, choice.cheap_speed_up);
}

}  // namespace

int OracleDepth(const Agreements& agrees) {
  for (size_t layer = 1; layer < agrees.size(); ++layer) {
    if (agrees[layer]) return static_cast<int>(layer);
  }
  return static_cast<int>(agrees.size());
}

ExitChoice OracleChoice(const std::vector<Agreements>& tokens, std::vector<int> layers,
                        const ProbeCosts& costs) {
  std::sort(layers.begin(), layers.end());
  ExitChoice choice{.layers = std::move(layers)};
  double full = 0, cheap = 0, off = 0, depths = 0;
  for (const Agreements& agrees : tokens) {
    const int n_layers = static_cast<int>(agrees.size());
    int depth = n_layers;
    size_t checks = 0;
    for (const int layer : choice.layers) {
      ++checks;
      if (!agrees[static_cast<size_t>(layer)]) continue;
      depth = layer;
      break;
    }
    depths += depth;
    // An oracle needs no head to decide. It needs one head where the token leaves.
    full += Cost(costs, depth, n_layers, depth == n_layers ? 0 : 1, costs.head);
    cheap += Cost(costs, depth, n_layers, checks, costs.head * kCheapHead);
    off += Cost(costs, n_layers, n_layers, 0, 0);
  }
  if (tokens.empty()) return choice;
  choice.mean_layers = depths / static_cast<double>(tokens.size());
  choice.speed_up = off / full;
  choice.cheap_speed_up = off / cheap;
  return choice;
}

std::vector<ExitChoice> WorthHaving(const std::vector<Agreements>& tokens, const std::vector<int>& candidates,
                                    const ProbeCosts& costs, size_t most) {
  std::vector<ExitChoice> choices;
  ExitChoice now;
  while (now.layers.size() < most) {
    ExitChoice best = now;
    for (const int layer : candidates) {
      if (std::find(now.layers.begin(), now.layers.end(), layer) != now.layers.end()) continue;
      std::vector<int> layers = now.layers;
      layers.push_back(layer);
      ExitChoice tried = OracleChoice(tokens, std::move(layers), costs);
      if (tried.cheap_speed_up > best.cheap_speed_up) best = std::move(tried);
    }
    if (best.cheap_speed_up < now.cheap_speed_up * (1 + kLeastSaving)) break;
    now = best;
    choices.push_back(std::move(best));
  }
  return choices;
}

std::string ProbeTable(const ProbeResult& r) {
  std::string text =
      Summary(r) +
      "\n\nafter layer   raw: agreement     KL    AUC   fitted: agreement     KL    AUC   oracle\n";
  for (const auto& [layer, raw] : r.raw) {
    const auto oracle = r.oracle.find(layer);
    const double share =
        oracle == r.oracle.end() ? 0.0 : static_cast<double>(oracle->second) / static_cast<double>(r.tokens);
    text += fmt::format("{:>11}            {:.3f}  {:>5.2f}  {:.3f}", layer, raw.agreement(),
                        raw.mean_divergence(), raw.softmax.Auc());
    const auto fitted = r.fitted.find(layer);
    text += fitted == r.fitted.end()
                ? fmt::format("{:>37}", "")
                : fmt::format("               {:.3f}  {:>5.2f}  {:.3f}", fitted->second.agreement(),
                              fitted->second.mean_divergence(), fitted->second.softmax.Auc());
    text += fmt::format("    {:.3f}\n", share);
  }
  text += "\nAn oracle, that leaves at the first exit that agrees:\n  every layer an exit: ";
  text += fmt::format("depth {:.2f}, speed-up at most {:.2f}\n", r.every_layer.mean_layers,
                      r.every_layer.speed_up);
  for (const ExitChoice& choice : r.worth) text += "  " + Verdict(choice) + "\n";
  if (r.worth.empty())
    text += "  no exit saves a hundredth: the model decides late; teach it first (docs/exits.md)\n";
  return text;
}

std::string ProbeHtml(const ProbeResult& r) {
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>exeunt probe: "
      "{0}</title><style>"
      "body{{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2em auto;padding:0 1em}}"
      "svg{{width:560px;max-width:100%;font:11px "
      "system-ui,sans-serif}}pre{{overflow-x:auto}}</style></head><body>\n"
      "<h1>Exits of {0}</h1>\n<p>{1}</p>\n",
      EscapeHtml(r.model), EscapeHtml(Summary(r)));
  html += RenderSvg(AgreementChart(r)) + RenderSvg(DivergenceChart(r)) + RenderSvg(OracleChart(r));
  html += ConfidenceCharts(r);
  html += "<h2>Figures</h2>\n<pre>" + EscapeHtml(ProbeTable(r)) + "</pre>\n</body></html>\n";
  return html;
}

}  // namespace exeunt::tools
