// The fitted exits of a model, and the directory that holds them (backend/cpu/exit_heads.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backend/cpu/candidate_head.h"
#include "base/result.h"
#include "fit/low_rank_head.h"
#include "model/model_source.h"

namespace exeunt::tools {

struct FittedClassifier {
  Eigen::VectorXf weight;  // [d_model]
  float bias = 0.0F;
};
struct FittedExit {
  int layer = 0;
  std::optional<fit::AffineMap> translator;
  std::optional<FittedClassifier> classifier;
  std::optional<OutsideEstimate> outside;
};
struct FittedExits {
  std::vector<FittedExit> exits;  // ascending layers
  std::optional<fit::LowRankHead> preview;
  int preview_groups = 0;
  std::vector<int32_t> candidates;  // ascending; empty for none
};

// Writes exits.json and exits.safetensors, with matrices as F16, bound to the source's content hash. Each
// file is written beside the old one and renamed.
Status WriteExits(const std::string& directory, const ModelSource& source, const FittedExits& exits);
// Reads the exits without preview and candidates, which are fitted to translators. Errors name file, tensor
// and shape.
Result<std::vector<FittedExit>> ReadExits(const std::string& directory, const ModelSource& source);

}  // namespace exeunt::tools
