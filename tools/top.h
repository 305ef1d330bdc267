// Renders /v1/cluster as lines of text for `exeunt top`.
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <vector>

namespace exeunt::tools {

// An answer of /v1/cluster and the time of its arrival.
struct ClusterSnapshot {
  boost::json::value view;
  double seconds = 0;  // of any clock
};

// Rates and shares are those between `before` and `now`. They are shown as "-" without `before`, or if a
// pipeline was started again in between. Values that the view does not have are "-", too. No line is wider
// than `width` columns. Columns that do not fit are cut off, and the least important ones are last.
std::vector<std::string> TopLines(const ClusterSnapshot& now, const std::optional<ClusterSnapshot>& before,
                                  int width);

}  // namespace exeunt::tools
