#include "model/model_source.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/sha256.h"
#include "model/gguf_model.h"
#include "model/hf_model.h"
#include "model/hf_rope.h"

namespace exeunt {

namespace {

Status Override(const ModelOverrides& overrides, ModelConfig* config) {
  if (!overrides.rope_scaling.empty()) RETURN_IF_ERROR(OverrideRopeScaling(overrides.rope_scaling, config));
  if (overrides.context_length > 0) {
    if (overrides.context_length > config->context_length) {
      config->warnings.push_back(
          fmt::format("context length {} is more than the model's {}: answers may lose their sense there",
                      overrides.context_length, config->context_length));
    }
    config->context_length = overrides.context_length;
  }
  return ValidateConfig(*config);
}

}  // namespace

Result<std::shared_ptr<const ModelSource>> ModelSource::Open(const std::string& path,
                                                             const AdapterOptions& adapter,
                                                             const ModelOverrides& overrides) {
  std::error_code error;
  const bool is_directory = std::filesystem::is_directory(path, error);
  ASSIGN_OR_RETURN(ModelParts parts, is_directory ? LoadHfModel(path) : LoadGgufModel(path));
  RETURN_IF_ERROR(Override(overrides, &parts.config));
  auto valid = ValidateTensors(parts.config, parts.tensors);
  if (!valid) return Annotate(valid.error(), path);
  const std::shared_ptr<ModelSource> source(new ModelSource(std::move(parts)));
  source->rope_override_ = overrides.rope_scaling;
  if (!adapter.directory.empty()) {
    ASSIGN_OR_RETURN(source->adapter_,
                     LoraAdapter::Open(adapter, source->parts_.config, source->parts_.tensors));
  }
  return source;
}

std::string ModelSource::ContentHash() const {
  std::call_once(hashed_, [this] { hash_ = ComputeHash(); });
  return hash_;
}

// Hashes in the order of names, so that another order in the file gives the same hash.
std::string ModelSource::ComputeHash() const {
  std::vector<const TensorView*> ordered;
  for (const TensorView& tensor : tensors()) ordered.push_back(&tensor);
  std::ranges::sort(ordered, {}, [](const TensorView* t) { return std::string_view(t->name); });
  Sha256 sha;
  for (const TensorView* tensor : ordered) {
    const std::string header =
        fmt::format("{}\n{}\n{}\n", tensor->name, Info(tensor->dtype).name, fmt::join(tensor->shape, ","));
    sha.Update(header.data(), header.size());
    sha.Update(tensor->bytes.data(), tensor->bytes.size());
    ReleasePages(*tensor);  // a stage that binds exits to its model keeps only its own layers in memory
  }
  if (adapter_ != nullptr) {
    const std::string merged = adapter_->ContentHash();
    sha.Update(merged.data(), merged.size());
  }
  if (!rope_override_.empty()) {
    const std::string said = "rope_scaling " + rope_override_;
    sha.Update(said.data(), said.size());
  }
  return sha.Hex();
}

}  // namespace exeunt
