// exits.json alone: which exits were fitted, and to which model. What the coordinator needs to check
// requests, without the tensors (exit_heads.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "request/exit_measure.h"

namespace exeunt {

struct ExitHeadInfo {
  int layer = 0;
  bool translator = false;
  bool classifier = false;
  bool outside = false;  // an estimate of what lies outside the candidates
};
// A head of `rank` directions that all exits share; `groups` of kPreviewGroupTokens are computed exactly
// after it.
inline constexpr int kPreviewGroupTokens = 16;
struct PreviewInfo {
  int rank = 0;    // a multiple of 32, at most d_model
  int groups = 0;  // in [1, 1024]
};
inline constexpr size_t kMostCandidates = 8192;
// Tokens that all exits may look at instead of the whole vocabulary (candidate_head.h).
struct CandidatesInfo {
  std::vector<int32_t> tokens;  // ascending, in [0, vocab_size)
};
struct ExitHeadsInfo {
  std::string model_hash;
  std::optional<PreviewInfo> preview;
  std::optional<CandidatesInfo> candidates;
  std::vector<ExitHeadInfo> exits;  // ascending layers, each in [1, n_layers)

  // Whether the exit, or any of them, has what was fitted.
  bool Has(ExitArtefact artefact, const ExitHeadInfo& exit) const;
  bool Has(ExitArtefact artefact) const;
};
// The text of an exits.json. Errors name key, value and limit.
Result<ExitHeadsInfo> ParseExitHeadsInfo(const std::string& text, int n_layers);
// Errors name file, key, value and limit.
Result<ExitHeadsInfo> LoadExitHeadsInfo(const std::string& directory, int n_layers);

// Whether the exits of this directory were fitted to the model of this hash (ModelSource::ContentHash).
Status FittedTo(const ExitHeadsInfo& info, const std::string& directory, const std::string& model_hash);

// Exit layers as an option says them (layer_plan.h); "auto" are those of exits.json where there is a
// directory.
Result<std::vector<int>> ChooseExitLayers(const std::string& option, const std::string& directory,
                                          int n_layers);

}  // namespace exeunt
