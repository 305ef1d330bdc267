// Sweep: the same prompts generated under several exit settings: what calibration and its report are computed
// from. Every generation is appended to a JSONL file as it ends, so that a sweep goes on where it was
// stopped, or gets more settings; its first line says what it is of, and another model or other prompts are
// refused.
#pragma once

#include <string>
#include <vector>

#include "tools/exits/state_corpus.h"
#include "tools/exits/sweep_file.h"

namespace exeunt::tools {

struct SweepRequest {
  CorpusOptions corpus;  // model, prompts, how much at once
  std::string exits_directory;
  std::vector<int> exit_layers;
  std::vector<ExitSetting> settings;
  std::string file;
};

using SweptAnswers = std::vector<std::vector<SweptAnswer>>;  // [setting][prompt]

Result<SweptAnswers> RunSweep(const SweepRequest& request);

}  // namespace exeunt::tools
