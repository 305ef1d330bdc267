#include "tools/top.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace exeunt::tools {
namespace {

namespace json = boost::json;

// Returns the number at a JSON pointer, if there is one.
std::optional<double> Number(const json::value* value, const std::string& pointer) {
  if (value == nullptr) return std::nullopt;
  boost::system::error_code error;
  const json::value* found = value->find_pointer(pointer, error);
  if (found == nullptr || !found->is_number()) return std::nullopt;
  return found->to_number<double>();
}

std::string Text(const json::value& value, const std::string& pointer) {
  boost::system::error_code error;
  const json::value* found = value.find_pointer(pointer, error);
  if (found == nullptr || !found->is_string()) return "-";
  return std::string(found->get_string());
}

bool True(const json::value& value, const std::string& pointer) {
  boost::system::error_code error;
  const json::value* found = value.find_pointer(pointer, error);
  return found != nullptr && found->is_bool() && found->get_bool();
}

const json::array& Array(const json::value& value, const std::string& pointer) {
  static const json::array none;
  boost::system::error_code error;
  const json::value* found = value.find_pointer(pointer, error);
  return found != nullptr && found->is_array() ? found->get_array() : none;
}

std::string Or(const std::optional<double>& value, const char* format, double scale = 1) {
  return value && std::isfinite(*value) ? fmt::format(fmt::runtime(format), *value * scale) : "-";
}
std::string Count(const std::optional<double>& value) { return Or(value, "{:.0f}"); }
std::string Share(const std::optional<double>& value) { return Or(value, "{:.0f} %", 100); }

// Returns a bar such as "#####....." for a half.
std::string Bar(const std::optional<double>& share) {
  constexpr int kCells = 10;
  const int full = share && std::isfinite(*share)
                       ? static_cast<int>(std::lround(std::clamp(*share, 0.0, 1.0) * kCells))
                       : 0;
  return std::string(static_cast<size_t>(full), '#') + std::string(static_cast<size_t>(kCells - full), '.');
}

// The same part of two snapshots, and the time between them.
struct Pair {
  const json::value* now;
  const json::value* before;  // null if there is nothing to compare with
  double seconds;

  std::optional<double> At(const std::string& pointer) const { return Number(now, pointer); }
  std::optional<double> Grown(const std::string& pointer) const {
    const auto is = Number(now, pointer), was = Number(before, pointer);
    if (!is || !was) return std::nullopt;
    return std::max(0.0, *is - *was);
  }
  std::optional<double> Rate(const std::string& pointer) const {
    const auto grown = Grown(pointer);
    if (!grown || !(seconds > 0)) return std::nullopt;
    return *grown / seconds;
  }
  Pair Part(const std::string& pointer) const {
    boost::system::error_code error;
    return {now->find_pointer(pointer, error),
            before == nullptr ? nullptr : before->find_pointer(pointer, error), seconds};
  }
};

std::optional<double> Ratio(const std::optional<double>& part, const std::optional<double>& whole) {
  if (!part || !whole || !(*whole > 0)) return std::nullopt;
  return *part / *whole;
}

std::optional<double> Sum(std::initializer_list<std::optional<double>> values) {
  double sum = 0;
  for (const auto& value : values) {
    if (!value) return std::nullopt;
    sum += *value;
  }
  return sum;
}

// Returns the share of waiting in the time in which stages had sequences.
std::optional<double> BubbleRatio(const Pair& report) {
  const auto waited = Sum({report.Grown("/bubble_seconds"), report.Grown("/blocked_seconds")});
  return Ratio(waited, Sum({waited, report.Grown("/busy_seconds")}));
}

std::optional<double> Utilisation(const Pair& report) {
  const auto busy = report.Grown("/busy_seconds");
  return Ratio(busy, Sum({busy, report.Grown("/idle_seconds"), report.Grown("/blocked_seconds")}));
}

// Returns text such as "10: 3.2/s, 24: 1.0/s" by the layers after which tokens left, or totals without a time
// between.
std::string Exits(const Pair& report) {
  boost::system::error_code error;
  const json::value* exits = report.now == nullptr ? nullptr : report.now->find_pointer("/exits", error);
  if (exits == nullptr || !exits->is_object()) return "-";
  std::string text;
  for (const auto& [layer, count] : exits->get_object()) {
    const std::string pointer = fmt::format("/exits/{}", std::string_view(layer));
    const auto rate = report.Rate(pointer);
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", std::string_view(layer),
                        rate ? fmt::format("{:.1f}/s", *rate) : Count(report.At(pointer)));
  }
  return text.empty() ? "-" : text;
}

std::string StageLine(const Pair& stage, size_t rank) {
  const Pair report = stage.Part("/report");
  const auto rows = Sum({report.Rate("/live_rows"), report.Rate("/prompt_rows"), report.Rate("/fill_rows")});
  const auto pages = [&] {
    return fmt::format("{}/{}", Count(report.At("/kv_pages_used")), Count(stage.At("/kv_pages")));
  };
  const std::string layers = fmt::format("{}-{}", Count(stage.At("/layers/0")), Count(stage.At("/layers/1")));
  const auto used = Utilisation(report);
  std::string line = fmt::format("{:>5} {:>8} {} {:>5} {:>6} {:>8} {:>7} {:>11} {:>6}  {}", rank, layers,
                                 Bar(used), Share(used), Share(BubbleRatio(report)), Or(rows, "{:.1f}"),
                                 Count(report.At("/backlog_rows")), pages(),
                                 Or(stage.At("/heartbeat_age_seconds"), "{:.1f} s"), Exits(report));
  if (!True(*stage.now, "/connected")) line += "  NOT CONNECTED";
  if (!True(*stage.now, "/ready")) line += fmt::format("  loading {}", Share(stage.At("/load_fraction")));
  return line;
}

std::optional<double> PipelineBubbles(const Pair& pipeline) {
  std::optional<double> waited = 0, all = 0;
  for (size_t rank = 0; rank < Array(*pipeline.now, "/stages").size(); ++rank) {
    const Pair report = pipeline.Part(fmt::format("/stages/{}/report", rank));
    if (report.now == nullptr) return std::nullopt;
    const auto waits = Sum({report.Grown("/bubble_seconds"), report.Grown("/blocked_seconds")});
    waited = Sum({waited, waits});
    all = Sum({all, waits, report.Grown("/busy_seconds")});
  }
  return Ratio(waited, all);
}

void PipelineLines(Pair pipeline, size_t index, std::vector<std::string>* lines) {
  if (pipeline.At("/epoch") != Number(pipeline.before, "/epoch")) pipeline.before = nullptr;
  const auto reserved = pipeline.At("/kv/pages_reserved");
  const auto total = pipeline.At("/kv/pages_total");
  lines->push_back(fmt::format(
      "pipeline {}  {}  restarts {}  open {}  K/V {}/{} pages ({})  bubbles {}  epoch {}", index,
      Text(*pipeline.now, "/state"), Count(pipeline.At("/restarts")), Count(pipeline.At("/open_sequences")),
      Count(reserved), Count(total), Share(Ratio(reserved, total)), Share(PipelineBubbles(pipeline)),
      Count(pipeline.At("/epoch"))));
  if (const std::string error = Text(*pipeline.now, "/last_error"); error != "-") {
    lines->push_back("  last error: " + error);
  }
  lines->push_back(fmt::format("{:>5} {:>8} {:<16} {:>6} {:>8} {:>7} {:>11} {:>6}  {}", "stage", "layers",
                               "utilisation", "bubble", "rows/s", "backlog", "K/V pages", "beat", "exits"));
  const size_t stages = Array(*pipeline.now, "/stages").size();
  for (size_t rank = 0; rank < stages; ++rank) {
    lines->push_back(StageLine(pipeline.Part(fmt::format("/stages/{}", rank)), rank));
  }
}

std::string Cut(const std::string& line, int width) {
  // Bytes that continue a character take no column.
  int columns = 0;
  size_t end = 0;
  while (end < line.size()) {
    const bool begins = (static_cast<unsigned char>(line[end]) & 0xC0) != 0x80;
    if (begins && columns++ == width) break;
    ++end;
  }
  return line.substr(0, end);
}

// A coordinator's texts appear on a terminal. They must not control it.
std::string Printable(std::string line) {
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return line;
}

}  // namespace

std::vector<std::string> TopLines(const ClusterSnapshot& now, const std::optional<ClusterSnapshot>& before,
                                  int width) {
  const Pair all{&now.view, before ? &before->view : nullptr, before ? now.seconds - before->seconds : 0.0};
  const auto layers = all.At("/n_layers");
  // The share is of the tokens of this interval. If there were none, or nothing to compare with, it is of all
  // tokens.
  auto saved = Ratio(all.Grown("/totals/layers_skipped"), all.Grown("/totals/generation_tokens"));
  if (!saved) saved = Ratio(all.At("/totals/layers_skipped"), all.At("/totals/generation_tokens"));
  const std::optional<double> mean = layers && saved ? std::optional(*layers - *saved) : std::nullopt;
  const char* state = True(now.view, "/draining") ? "draining"
                      : True(now.view, "/ready")  ? "ready"
                                                  : "NOT READY";
  std::vector<std::string> lines = {
      fmt::format("exeunt  {}  {}", Text(now.view, "/model"), state),
      fmt::format("requests  running {}  waiting {}  served {}  failed {}",
                  Count(all.At("/requests/running")), Count(all.At("/requests/waiting")),
                  Count(all.At("/totals/requests_finished")), Count(all.At("/totals/requests_failed"))),
      fmt::format("tokens/s  {} out  {} in    layers  {} of {} on average ({} saved)",
                  Or(all.Rate("/totals/generation_tokens"), "{:.1f}"),
                  Or(all.Rate("/totals/prompt_tokens"), "{:.1f}"), Or(mean, "{:.1f}"), Count(layers),
                  Share(Ratio(saved, layers)))};
  for (size_t i = 0; i < Array(now.view, "/pipelines").size(); ++i) {
    lines.emplace_back();
    PipelineLines(all.Part(fmt::format("/pipelines/{}", i)), i, &lines);
  }
  for (std::string& line : lines) line = Cut(Printable(std::move(line)), width);
  return lines;
}

}  // namespace exeunt::tools
