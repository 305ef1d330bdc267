#include "backend/cpu/exit_heads.h"

#include <fmt/format.h>

#include "base/error.h"
#include "model/safetensors.h"

namespace exeunt {
namespace {

Result<ExitHead> LoadHead(const SafetensorsFile& file, const ExitHeadInfo& info, int d_model) {
  ExitHead head;
  head.layer = info.layer;
  const std::string prefix = fmt::format("exit.{}.", info.layer);
  if (info.translator) {
    ASSIGN_OR_RETURN(const auto weight, file.ReadFloats(prefix + "translator.weight", {d_model, d_model}));
    ASSIGN_OR_RETURN(auto bias, file.ReadFloats(prefix + "translator.bias", {d_model}));
    head.translator = Linear::FromFloats(d_model, d_model, weight.data(), std::move(bias));
  }
  if (info.classifier) {
    ASSIGN_OR_RETURN(head.classifier, file.ReadFloats(prefix + "classifier.weight", {d_model}));
    ASSIGN_OR_RETURN(const auto bias, file.ReadFloats(prefix + "classifier.bias", {1}));
    head.classifier_bias = bias[0];
  }
  if (info.outside) {
    ASSIGN_OR_RETURN(head.outside.weight, file.ReadFloats(prefix + "outside.weight", {d_model}));
    ASSIGN_OR_RETURN(const auto bias, file.ReadFloats(prefix + "outside.bias", {1}));
    head.outside.bias = bias[0];
  }
  return head;
}

}  // namespace

Result<ExitHeads> ExitHeads::Load(const std::string& directory, const ModelSource& source, LayerSpan layers,
                                  const Linear* head) {
  ASSIGN_OR_RETURN(const auto info, LoadExitHeadsInfo(directory, source.config().n_layers));
  RETURN_IF_ERROR(FittedTo(info, directory, source.ContentHash()));
  const std::string path = directory + "/exits.safetensors";
  ASSIGN_OR_RETURN(const auto file, SafetensorsFile::Open(path));
  ExitHeads heads;
  for (const ExitHeadInfo& exit : info.exits) {
    if (exit.layer <= layers.begin || exit.layer > layers.end) continue;
    auto loaded = LoadHead(*file, exit, source.config().d_model);
    if (!loaded.has_value()) return Annotate(loaded.error(), path);
    heads.heads_.push_back(std::move(loaded).value());
  }
  if (info.preview && head != nullptr) {
    auto preview = LoadPreviewHead(*file, *info.preview, *head);
    if (!preview.has_value()) return Annotate(preview.error(), path);
    heads.preview_ = std::move(preview).value();
  }
  if (info.candidates && head != nullptr) {
    if (info.candidates->tokens.back() >= head->n()) {
      return InvalidArgument("{}/exits.json: candidate {} is outside the vocabulary of {} tokens", directory,
                             info.candidates->tokens.back(), head->n());
    }
    heads.candidates_ = MakeCandidateHead(source, *head, info.candidates->tokens);
  }
  return heads;
}

const ExitHead* ExitHeads::Find(int layer) const {
  for (const ExitHead& head : heads_) {
    if (head.layer == layer) return &head;
  }
  return nullptr;
}

}  // namespace exeunt
