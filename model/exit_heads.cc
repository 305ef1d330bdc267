#include "model/exit_heads.h"

#include <fmt/format.h>

#include "base/error.h"
#include "kernels/dequantize.h"
#include "model/safetensors.h"

namespace exeunt {
namespace {

Result<std::vector<float>> ReadTensor(const SafetensorsFile& file, const std::string& name,
                                      const std::vector<int64_t>& shape) {
  const TensorView* t = file.Find(name);
  if (t == nullptr) return NotFound("tensor '{}' is missing", name);
  if (t->shape != shape) {
    return InvalidArgument("tensor '{}' has shape [{}], not [{}]", name, fmt::join(t->shape, ", "),
                           fmt::join(shape, ", "));
  }
  size_t n = 1;
  for (int64_t extent : shape) n *= static_cast<size_t>(extent);
  std::vector<float> values(n);
  DequantizeRow(t->dtype, t->bytes.data(), values.data(), n);
  return values;
}

Result<ExitHead> LoadHead(const SafetensorsFile& file, const ExitHeadInfo& info, int d_model) {
  ExitHead head;
  head.layer = info.layer;
  const std::string prefix = fmt::format("exit.{}.", info.layer);
  if (info.translator) {
    ASSIGN_OR_RETURN(const auto weight, ReadTensor(file, prefix + "translator.weight", {d_model, d_model}));
    ASSIGN_OR_RETURN(auto bias, ReadTensor(file, prefix + "translator.bias", {d_model}));
    head.translator = Linear::FromFloats(d_model, d_model, weight.data(), std::move(bias));
  }
  if (info.classifier) {
    ASSIGN_OR_RETURN(head.classifier, ReadTensor(file, prefix + "classifier.weight", {d_model}));
    ASSIGN_OR_RETURN(const auto bias, ReadTensor(file, prefix + "classifier.bias", {1}));
    head.classifier_bias = bias[0];
  }
  return head;
}

}  // namespace

Result<ExitHeads> ExitHeads::Load(const std::string& directory, const ModelSource& source, int layer_begin,
                                  int layer_end) {
  ASSIGN_OR_RETURN(const auto info, LoadExitHeadsInfo(directory, source.config().n_layers));
  const std::string hash = source.ContentHash();
  if (info.model_hash != hash) {
    return InvalidArgument("{}/exits.json: fitted to model {}, not to {}", directory, info.model_hash, hash);
  }
  const std::string path = directory + "/exits.safetensors";
  ASSIGN_OR_RETURN(const auto file, SafetensorsFile::Open(path));
  ExitHeads heads;
  for (const ExitHeadInfo& exit : info.exits) {
    if (exit.layer <= layer_begin || exit.layer > layer_end) continue;
    auto head = LoadHead(*file, exit, source.config().d_model);
    if (!head.has_value()) return Annotate(head.error(), path);
    heads.heads_.push_back(std::move(head).value());
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
