// Opens a tiny random model. Its file is deleted, but its map stays.
#pragma once

#include <memory>
#include <string>

#include "base/check.h"
#include "base/testing/temp_dir.h"
#include "model/model_source.h"
#include "model/testing/random_model.h"

namespace exeunt {

inline std::shared_ptr<const ModelSource> OpenRandomModel(const RandomModelSpec& spec) {
  const TempDir temp;
  const std::string path = temp / "model.gguf";
  const Status written = WriteRandomModel(spec, path);
  CHECK_MSG(written.has_value(), "{}", written.error().message);
  auto source = ModelSource::Open(path);
  CHECK_MSG(source.has_value(), "{}", source.error().message);
  return *source;
}

}  // namespace exeunt
