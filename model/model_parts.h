// ModelParts is what a loader found in one kind of file, before it becomes a ModelSource. This header also
// has the checks that all kinds share. Users of models see only ModelSource.
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
  TensorTable tensors;  // with GGUF's names
  GgufMetadata metadata;
  std::string directory;
  std::vector<std::shared_ptr<const MappedFile>> files;  // owners of the tensors' bytes
};

// Checks that every number of a configuration is within the bounds that the rest of the program trusts. The
// error names the field, its value and the limit.
Status ValidateConfig(const ModelConfig& config);

// Checks that every tensor that the architecture needs is present with its shape, and that there is no
// unknown tensor. The error names the tensor. `config` must be valid.
Status ValidateTensors(const ModelConfig& config, const TensorTable& tensors);

}  // namespace exeunt
