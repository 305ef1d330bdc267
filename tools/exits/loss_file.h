// A user's own losses of a sweep's answers: JSONL, {"setting": as the sweep names it, "prompt": its place
// from 0, "loss": a number in [0, 1]} a line.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace exeunt::tools {

// losses[setting][prompt]; one for every prompt of each setting that `needed` marks. Errors name file and
// line, or what has no line.
Result<std::vector<std::vector<double>>> ReadLossFile(const std::string& path,
                                                      const std::vector<std::string>& settings,
                                                      const std::vector<bool>& needed, size_t n_prompts);

}  // namespace exeunt::tools
