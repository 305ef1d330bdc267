#include "tools/bench/bench_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace exeunt::tools {
namespace {

int64_t Ns(TimePoint t) { return t.since_start.count(); }

// Returns the nearest-rank percentile, or 0 without values.
double Percentile(std::vector<double> values, double p) {
  if (values.empty()) return 0;
  const auto n = static_cast<double>(values.size());
  const auto rank = static_cast<size_t>(std::clamp(std::ceil(p * n), 1.0, n)) - 1;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(rank), values.end());
  return values[rank];
}

using TimesBySequence = std::map<uint64_t, std::map<int32_t, int64_t>>;  // sequence, position, time

struct Window {
  int64_t begin = 0;
  int64_t end = 0;
};

// Decode: from the time when every stream has its first token until the first has its last. Prefill: from
// admission to the last first token. The window is empty if no stream has a token, or if the streams never
// ran together.
Window WindowOf(const BenchWorkload& workload, int64_t begin_ns, const TimesBySequence& times) {
  Window w{begin_ns, 0};
  for (const auto& [sequence, tokens] : times) {
    const int64_t first = tokens.begin()->second;
    const int64_t last = tokens.rbegin()->second;
    if (workload.kind == BenchKind::kPrefill) {
      w.end = std::max(w.end, first);
    } else {
      w.begin = std::max(w.begin, first);
      w.end = w.end == 0 ? last : std::min(w.end, last);
    }
  }
  w.end = std::max(w.begin, w.end);
  return w;
}

BenchStageFigures StageFigures(const BenchRank& rank, const Window& window) {
  double busy = 0;
  double bytes = 0;
  double macs = 0;
  double rows = 0;
  double steps = 0;
  for (const worker::StepSpan& s : rank.spans) {
    const int64_t inside = std::min(Ns(s.end), window.end) - std::max(Ns(s.begin), window.begin);
    if (inside <= 0) continue;
    // A job that reaches out of the window counts by its share inside.
    const double share = static_cast<double>(inside) / static_cast<double>(Ns(s.end) - Ns(s.begin));
    const auto layers = static_cast<double>(s.layer_end - s.layer_begin);
    busy += static_cast<double>(inside) * 1e-9;
    if (s.head()) {
      bytes += share * rank.work.head_bytes;
      macs += share * rank.work.head_macs * s.run_rows;
      continue;
    }
    bytes += share * layers * (s.run_rows > 0 ? rank.work.layer_bytes : rank.work.fill_bytes);
    macs += share * layers * (rank.work.layer_macs * s.run_rows + rank.work.fill_macs * s.fill_rows);
    rows += share * (s.run_rows + s.fill_rows);
    steps += share;
  }
  BenchStageFigures f;
  const double seconds = static_cast<double>(window.end - window.begin) * 1e-9;
  f.busy = seconds > 0 ? busy / seconds : 0;
  f.read_share = busy > 0 && rank.read_bandwidth > 0 ? bytes / busy / rank.read_bandwidth : 0;
  f.dot_share = busy > 0 && rank.int_dot_peak > 0 ? macs / busy / rank.int_dot_peak : 0;
  f.rows_per_step = steps > 0 ? rows / steps : 0;
  return f;
}

}  // namespace

BenchFigures ComputeFigures(const BenchWorkload& workload, int64_t begin_ns,
                            const std::vector<BenchRank>& ranks) {
  TimesBySequence times;
  BenchFigures f;
  double layers = 0;
  double tokens = 0;
  for (const BenchRank& rank : ranks) {
    for (const BenchToken& t : rank.tokens) {
      times[t.sequence][t.position] = t.time_ns;
      layers += t.exit_layer;
      f.exits[t.exit_layer] += 1;
      tokens += 1;
    }
  }
  const Window window = WindowOf(workload, begin_ns, times);
  f.window_seconds = static_cast<double>(window.end - window.begin) * 1e-9;
  std::vector<double> ttft;
  std::vector<double> gaps;
  double inside = 0;
  for (const auto& [sequence, by_position] : times) {
    ttft.push_back(static_cast<double>(by_position.begin()->second - begin_ns) * 1e-6);
    int64_t before = 0;
    for (const auto& [position, time] : by_position) {
      if (before != 0) gaps.push_back(static_cast<double>(time - before) * 1e-6);
      before = time;
      inside += time > window.begin && time <= window.end ? 1 : 0;
    }
  }
  if (workload.kind == BenchKind::kPrefill)
    inside = static_cast<double>(workload.prompt_tokens) * workload.streams;
  f.tokens_per_second = f.window_seconds > 0 ? inside / f.window_seconds : 0;
  f.ttft_p50_ms = Percentile(ttft, 0.5);
  f.ttft_p99_ms = Percentile(ttft, 0.99);
  f.inter_token_p50_ms = Percentile(gaps, 0.5);
  f.inter_token_p99_ms = Percentile(gaps, 0.99);
  f.mean_layers = tokens > 0 ? layers / tokens : 0;
  for (auto& [layer, share] : f.exits) share /= tokens;
  for (const BenchRank& rank : ranks) f.stages.push_back(StageFigures(rank, window));
  return f;
}

Status RequireWindow(const BenchWorkload& workload, const BenchFigures& figures) {
  if (figures.window_seconds > 0) return OkStatus();
  return InvalidArgument(
      "workload {}: the first stream ended before all had a first token: no time in which every stream "
      "decodes; fewer streams or longer answers, please",
      workload.name);
}

std::string FiguresText(const std::string& workload, const BenchFigures& f,
                        const std::vector<LayerSpan>& split) {
  std::string text = fmt::format(
      "{:<16} {:>9.1f} tokens/s   first token {:.1f} ms (p99 {:.1f}), between tokens {:.2f} ms (p99 {:.2f}), "
      "{:.2f} layers a token\n",
      workload, f.tokens_per_second, f.ttft_p50_ms, f.ttft_p99_ms, f.inter_token_p50_ms, f.inter_token_p99_ms,
      f.mean_layers);
  for (size_t i = 0; i < f.stages.size(); ++i) {
    const BenchStageFigures& s = f.stages[i];
    text += fmt::format("    stage {} ({}-{}): busy {:.1f} %, {:.1f} rows a step", i, split[i].begin,
                        split[i].end, 100 * s.busy, s.rows_per_step);
    if (s.read_share > 0) {
      text += fmt::format("; while busy: {:.1f} % of read bandwidth, {:.1f} % of the integer-dot peak",
                          100 * s.read_share, 100 * s.dot_share);
    }
    text += '\n';
  }
  return text;
}

boost::json::object ToJson(const BenchWorkload& workload, const BenchFigures& figures) {
  boost::json::array stages;
  for (const BenchStageFigures& s : figures.stages) {
    stages.push_back(boost::json::object{{"busy", s.busy},
                                         {"read_share", s.read_share},
                                         {"dot_share", s.dot_share},
                                         {"rows_per_step", s.rows_per_step}});
  }
  boost::json::object exits;
  for (const auto& [layer, share] : figures.exits) exits[std::to_string(layer)] = share;
  return {{"engine", "exeunt"},
          {"workload", workload.name},
          {"tokens_per_second", figures.tokens_per_second},
          {"window_seconds", figures.window_seconds},
          {"ttft_p50_ms", figures.ttft_p50_ms},
          {"ttft_p99_ms", figures.ttft_p99_ms},
          {"inter_token_p50_ms", figures.inter_token_p50_ms},
          {"inter_token_p99_ms", figures.inter_token_p99_ms},
          {"mean_layers", figures.mean_layers},
          {"exits", exits},
          {"stage", stages}};
}

boost::json::array ChromeTrace(const std::vector<BenchRank>& ranks) {
  boost::json::array events;
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    events.push_back(boost::json::object{{"name", "process_name"},
                                         {"ph", "M"},
                                         {"pid", rank},
                                         {"args", {{"name", fmt::format("stage {}", rank)}}}});
    for (const worker::StepSpan& s : ranks[rank].spans) {
      const std::string name = s.head() ? fmt::format("head after {}", s.layer_end)
                                        : fmt::format("layers {}-{}", s.layer_begin, s.layer_end);
      events.push_back(boost::json::object{{"name", name},
                                           {"ph", "X"},
                                           {"pid", rank},
                                           {"tid", 0},
                                           {"ts", static_cast<double>(Ns(s.begin)) * 1e-3},
                                           {"dur", static_cast<double>(Ns(s.end) - Ns(s.begin)) * 1e-3},
                                           {"args", {{"rows", s.run_rows}, {"fills", s.fill_rows}}}});
    }
  }
  return events;
}

}  // namespace exeunt::tools
