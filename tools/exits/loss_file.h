// A user's own losses of a sweep's answers as JSONL. A line is {"setting": the sweep's name, "prompt": place
// from 0, "loss": a number in [0, 1]}.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace exeunt::tools {

// Returns losses[setting][prompt], with one for every prompt of each setting that `needed` marks. Errors name
// file and line, or what has no line.
Result<std::vector<std::vector<double>>> ReadLossFile(const std::string& path,
                                                      const std::vector<std::string>& settings,
                                                      const std::vector<bool>& needed, size_t n_prompts);

}  // namespace exeunt::tools
