// Sweep: the same prompts generated under several exit settings: what calibration and its report are computed
// from. Every generation is appended to a JSONL file as it ends, so that a sweep goes on where it was
// stopped; the file's first line says what it is of, and another model or setting is refused.
#pragma once

#include <string>
#include <vector>

#include "tools/state_corpus.h"

namespace exeunt {

// One setting of the sweep: `off`, or a threshold of the base setting.
struct Candidate {
  bool off = true;
  float threshold = 1.0F;

  ExitSetting Setting(const ExitSetting& base) const;
  std::string Name() const;  // "off" or the threshold, as it stands in the file
};

struct SweptAnswer {
  bool done = false;
  int tokens = 0;
  int64_t layers = 0;  // sum over the tokens
  std::string text;
};

struct SweepRequest {
  CorpusOptions corpus;  // model, prompts, how much at once
  std::string exits_directory;
  std::vector<int> exit_layers;
  ExitSetting base;  // mode, measure, minimum layer, decay
  std::vector<Candidate> candidates;
  std::string file;
};

// answers[candidate][prompt].
Result<std::vector<std::vector<SweptAnswer>>> RunSweep(const SweepRequest& request);

}  // namespace exeunt
