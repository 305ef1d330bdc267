// Draws charts as inline SVG, for reports in one file. Text is escaped.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace exeunt::tools {

struct ChartSeries {
  std::string name;
  std::vector<std::pair<double, double>> points;  // ascending x
};

struct Chart {
  std::string title;
  std::string x_label;
  std::string y_label;
  double y_max = 0.0;  // 0 for the largest value
  bool bars = false;   // one series, with a bar per point
  bool diagonal = false;
  std::vector<ChartSeries> series;
};

std::string RenderSvg(const Chart& chart);
std::string EscapeHtml(const std::string& text);

}  // namespace exeunt::tools
