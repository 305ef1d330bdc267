// A sweep generates the same prompts under several exit settings. Calibration and its report are computed
// from it. Every generation is appended to a JSONL file when it ends. A sweep therefore continues where it
// was stopped, or gets more settings. The first line of the file names the model and the prompts. Others are
// refused.
#pragma once

#include <string>
#include <vector>

#include "tools/exits/state_corpus.h"
#include "tools/exits/sweep_file.h"

namespace exeunt::tools {

struct SweepRequest {
  CorpusOptions corpus;  // model, prompts, and limits
  std::string exits_directory;
  std::vector<int> exit_layers;
  std::vector<ExitSetting> settings;
  std::string file;
};

using SweptAnswers = std::vector<std::vector<SweptAnswer>>;  // [setting][prompt]

Result<SweptAnswers> RunSweep(const SweepRequest& request);

}  // namespace exeunt::tools
