#include "tools/exits/svg_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace exeunt::tools {
namespace {

constexpr double kWidth = 560, kHeight = 300;
constexpr double kLeft = 56, kRight = 16, kTop = 30, kBottom = 46;
constexpr int kTicks = 5;
constexpr std::array<const char*, 6> kColours = {"#1f77b4", "#d62728", "#2ca02c",
                                                 "#ff7f0e", "#9467bd", "#17becf"};

struct Scale {
  double low = 0.0;
  double high = 1.0;
  double from = 0.0;
  double to = 1.0;
  double At(double v) const { return from + (v - low) / (high - low) * (to - from); }
};

struct Scales {
  Scale x, y;
};

Scales ScalesOf(const Chart& chart) {
  double x_low = 1e300, x_high = -1e300, y_high = chart.y_max;
  for (const ChartSeries& s : chart.series) {
    for (const auto& [x, y] : s.points) {
      x_low = std::min(x_low, x);
      x_high = std::max(x_high, x);
      if (chart.y_max <= 0) y_high = std::max(y_high, y);
    }
  }
  if (x_low > x_high) x_low = 0, x_high = 1;
  const double pad = chart.bars ? 0.5 : 0.0;
  if (x_high + pad <= x_low - pad) x_high = x_low + 1;
  if (y_high <= 0) y_high = 1;
  return {{x_low - pad, x_high + pad, kLeft, kWidth - kRight}, {0.0, y_high, kHeight - kBottom, kTop}};
}

std::string Axes(const Chart& chart, const Scales& scales) {
  std::string svg;
  for (int i = 0; i <= kTicks; ++i) {
    const double share = static_cast<double>(i) / kTicks;
    const double x = scales.x.low + share * (scales.x.high - scales.x.low);
    const double y = share * scales.y.high;
    svg += fmt::format(R"(<line x1="{0:.1f}" x2="{1:.1f}" y1="{2:.1f}" y2="{2:.1f}" stroke="#ddd"/>)"
                       R"(<text x="{3:.1f}" y="{4:.1f}" text-anchor="end">{5:.3g}</text>)"
                       R"(<text x="{6:.1f}" y="{7:.1f}" text-anchor="middle">{8:.3g}</text>)",
                       kLeft, kWidth - kRight, scales.y.At(y), kLeft - 6, scales.y.At(y) + 4, y,
                       scales.x.At(x), kHeight - kBottom + 16, x);
  }
  svg += fmt::format(
      R"(<text x="{:.1f}" y="18" text-anchor="middle" font-weight="bold">{}</text>)"
      R"(<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>)"
      R"svg(<text transform="translate(14 {:.1f}) rotate(-90)" text-anchor="middle">{}</text>)svg",
      kWidth / 2, EscapeHtml(chart.title), kWidth / 2, kHeight - 10, EscapeHtml(chart.x_label), kHeight / 2,
      EscapeHtml(chart.y_label));
  return svg;
}

std::string Series(const Chart& chart, const Scales& scales, size_t index) {
  const ChartSeries& series = chart.series[index];
  const char* colour = kColours[index % kColours.size()];
  std::string svg;
  if (chart.bars) {
    const double width = 0.8 * (scales.x.At(1) - scales.x.At(0));
    for (const auto& [x, y] : series.points) {
      svg += fmt::format(R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}"/>)",
                         scales.x.At(x) - width / 2, scales.y.At(y), width, scales.y.At(0) - scales.y.At(y),
                         colour);
    }
    return svg;
  }
  for (const auto& [x, y] : series.points)
    svg += fmt::format("{:.1f},{:.1f} ", scales.x.At(x), scales.y.At(y));
  return fmt::format(R"(<polyline points="{}" fill="none" stroke="{}" stroke-width="2"/>)"
                     R"(<text x="{:.1f}" y="{:.1f}" fill="{}" text-anchor="end">{}</text>)",
                     svg, colour, kWidth - kRight - 4, kTop + 14 + 14 * static_cast<double>(index), colour,
                     EscapeHtml(series.name));
}

}  // namespace

std::string EscapeHtml(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string RenderSvg(const Chart& chart) {
  const Scales scales = ScalesOf(chart);
  std::string svg = fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" role="img" aria-label="{}">)", kWidth,
      kHeight, EscapeHtml(chart.title));
  svg += Axes(chart, scales);
  if (chart.diagonal) {
    svg += fmt::format(
        R"(<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke="#999" stroke-dasharray="4"/>)",
        scales.x.At(0), scales.y.At(0), scales.x.At(1), scales.y.At(1));
  }
  for (size_t i = 0; i < chart.series.size(); ++i) svg += Series(chart, scales, i);
  return svg + "</svg>\n";
}

}  // namespace exeunt::tools
