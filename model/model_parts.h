// ModelParts: what a loader of one kind of file found, before it becomes a ModelSource; and the checks that
// all kinds share. Users of models see ModelSource only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/mmap.h"
#include "base/result.h"
#include "model/config.h"
#include "model/gguf_value.h"
#include "model/tensor_table.h"

namespace exeunt {

struct ModelParts {
  ModelConfig config;
  TensorTable tensors;  // GGUF's names
  GgufMetadata metadata;
  std::string directory;
  std::vector<std::shared_ptr<const MappedFile>> files;  // keep the tensors' bytes alive
};

// Every number of a configuration within the bounds that the rest of the program trusts; the error names the
// field, its value and the limit.
Status ValidateConfig(const ModelConfig& config);

// Every tensor that the architecture needs is there with its shape, and none that it does not know; the error
// names the tensor. `config` is valid.
Status ValidateTensors(const ModelConfig& config, const TensorTable& tensors);

}  // namespace exeunt
