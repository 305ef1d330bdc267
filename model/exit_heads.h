// ExitHeads: what lies beside a model to make it exit well: per exit layer an affine translator before the
// shared norm and head, and a linear classifier. Directory with exits.json and exits.safetensors:
//   exits.json         {"format": 1, "model": "<ContentHash>", "exits": [{"layer": 12, "translator": true,
//   "classifier": true}]} exits.safetensors  exit.12.translator.weight [d_model, d_model],
//   exit.12.translator.bias [d_model],
//                      exit.12.classifier.weight [d_model], exit.12.classifier.bias [1]
// Immutable after Load; thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/exit_heads_info.h"
#include "model/linear.h"
#include "model/model_source.h"

namespace exeunt {

struct ExitHead {
  int layer = 0;
  std::optional<Linear> translator;
  std::vector<float> classifier;  // [d_model]; empty: none
  float classifier_bias = 0.0F;
};

class ExitHeads {
 public:
  ExitHeads() = default;  // no translators, no classifiers
  // Loads the heads of layers in (layer_begin, layer_end]. Refuses heads that were fitted to another model.
  static Result<ExitHeads> Load(const std::string& directory, const ModelSource& source, int layer_begin,
                                int layer_end);
  // nullptr where nothing was fitted for that layer.
  const ExitHead* Find(int layer) const;

 private:
  std::vector<ExitHead> heads_;
};

}  // namespace exeunt
