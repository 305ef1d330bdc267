// ExitHeads holds what is fitted beside a model for good exits. Each exit layer has an affine translator
// before the shared norm and head, and a linear classifier. All exits share a head of few directions. The
// directory has two files:
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
// Immutable after Load. Thread-safe.
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
  std::vector<float> classifier;  // [d_model]; empty for none
  float classifier_bias = 0.0F;
  OutsideEstimate outside;
};

class ExitHeads {
 public:
  ExitHeads() = default;  // no translators, no classifiers
  // Loads the heads of the exits in (layers.begin, layers.end]. `head` is the vocabulary head. If it is not
  // nullptr, its preview and its candidates are loaded, too. Heads that were fitted to another model are an
  // error.
  static Result<ExitHeads> Load(const std::string& directory, const ModelSource& source, LayerSpan layers,
                                const Linear* head);
  // Returns nullptr if nothing was fitted for that layer.
  const ExitHead* Find(int layer) const;
  const CandidateHead* candidates() const { return candidates_ ? &*candidates_ : nullptr; }
  const PreviewHead* preview() const { return preview_ ? &*preview_ : nullptr; }

 private:
  std::vector<ExitHead> heads_;
  std::optional<PreviewHead> preview_;
  std::optional<CandidateHead> candidates_;
};

}  // namespace exeunt
