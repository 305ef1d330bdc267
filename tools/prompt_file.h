// Reads a JSONL file of prompts. A line is {"prompt": text, "reference": text (optional)}. Other keys are
// ignored, so that a task's own fields may stay.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace exeunt::tools {

struct PromptLine {
  std::string prompt;
  std::string reference;  // "" for none
};

// Reads at most `limit` lines (0: all). Errors name file, line and key.
Result<std::vector<PromptLine>> ReadPromptFile(const std::string& path, size_t limit);

}  // namespace exeunt::tools
