// Reads exits.json, which says what exits were fitted and to which model. The coordinator needs it to check
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
  bool outside = false;  // an estimate of the mass outside the candidates
};
// A head of `rank` directions that all exits share. Afterwards `groups` groups of kPreviewGroupTokens are
// computed exactly.
inline constexpr int kPreviewGroupTokens = 16;
struct PreviewInfo {
  int rank = 0;    // a multiple of 32, at most d_model
  int groups = 0;  // in [1, 1024]
};
inline constexpr size_t kMostCandidates = 8192;
// Tokens at which all exits may look instead of the whole vocabulary (candidate_head.h).
struct CandidatesInfo {
  std::vector<int32_t> tokens;  // ascending, in [0, vocab_size)
};
struct ExitHeadsInfo {
  std::string model_hash;
  std::optional<PreviewInfo> preview;
  std::optional<CandidatesInfo> candidates;
  std::vector<ExitHeadInfo> exits;  // ascending layers, each in [1, n_layers)

  // Returns whether the artefact was fitted for the exit, or for any exit.
  bool Has(ExitArtefact artefact, const ExitHeadInfo& exit) const;
  bool Has(ExitArtefact artefact) const;
};
// Parses the text of an exits.json. Errors name key, value and limit.
Result<ExitHeadsInfo> ParseExitHeadsInfo(const std::string& text, int n_layers);
// Errors name file, key, value and limit.
Result<ExitHeadsInfo> LoadExitHeadsInfo(const std::string& directory, int n_layers);

// Returns an error if the exits of this directory were not fitted to the model of this hash
// (ModelSource::ContentHash).
Status FittedTo(const ExitHeadsInfo& info, const std::string& directory, const std::string& model_hash);

// Returns the exit layers of an option (layer_span.h). If there is a directory, "auto" means those of
// exits.json.
Result<std::vector<int>> ChooseExitLayers(const std::string& option, const std::string& directory,
                                          int n_layers);

}  // namespace exeunt
