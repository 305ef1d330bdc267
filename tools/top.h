// What `exeunt top` shows: /v1/cluster as lines of text.
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <vector>

namespace exeunt::tools {

// An answer of /v1/cluster, and when it came.
struct ClusterSnapshot {
  boost::json::value view;
  double seconds = 0;  // of some clock
};

// Rates and shares are those between `before` and `now`; without `before`, or where a pipeline has been
// started again since, they are shown as "-". What the view does not have is shown as "-" too. No line is
// wider than `width` columns: columns that do not fit are cut off, the least important are last.
std::vector<std::string> TopLines(const ClusterSnapshot& now, const std::optional<ClusterSnapshot>& before,
                                  int width);

}  // namespace exeunt::tools
