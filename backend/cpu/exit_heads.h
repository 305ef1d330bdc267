// ExitHeads: what lies beside a model to make it exit well: per exit layer an affine translator before the
// shared norm and head, and a linear classifier; for all of them a head of few directions. Directory:
//   exits.json          {"format": 1, "model": "<ContentHash>",
//                        "exits": [{"layer": 12, "translator": true, "classifier": true, "outside": true}],
//                        "preview": {"rank": 64, "groups": 16}, "candidates": {"tokens": [2, 28, ...]}}
//   exits.safetensors   exit.12.translator.weight   [d_model, d_model]
//                       exit.12.translator.bias     [d_model]
//                       exit.12.classifier.weight   [d_model]
//                       exit.12.classifier.bias     [1]
//                       exit.12.outside.weight      [d_model]
//                       exit.12.outside.bias        [1]
//                       preview.down                [rank, d_model]
//                       preview.basis               [d_model, rank]
// Immutable after Load; thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/cpu/candidate_head.h"
#include "backend/cpu/linear.h"
#include "backend/cpu/preview_head.h"
#include "base/result.h"
#include "model/exit_heads_info.h"
#include "model/layer_span.h"
#include "model/model_source.h"

namespace exeunt {

struct ExitHead {
  int layer = 0;
  std::optional<Linear> translator;
  std::vector<float> classifier;  // [d_model]; empty: none
  float classifier_bias = 0.0F;
  OutsideEstimate outside;
};

class ExitHeads {
 public:
  ExitHeads() = default;  // no translators, no classifiers
  // Loads the heads of exits in (layers.begin, layers.end], and, if `head`, the vocabulary head, is not
  // nullptr, what previews it and its candidates. Refuses heads that were fitted to another model.
  static Result<ExitHeads> Load(const std::string& directory, const ModelSource& source, LayerSpan layers,
                                const Linear* head);
  // nullptr where nothing was fitted for that layer.
  const ExitHead* Find(int layer) const;
  const CandidateHead* candidates() const { return candidates_ ? &*candidates_ : nullptr; }
  const PreviewHead* preview() const { return preview_ ? &*preview_ : nullptr; }

 private:
  std::vector<ExitHead> heads_;
  std::optional<PreviewHead> preview_;
  std::optional<CandidateHead> candidates_;
};

}  // namespace exeunt
