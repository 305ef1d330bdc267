// Command-line options of the model. The verbs that load a model share them.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "model/model_source.h"

namespace exeunt::tools {

struct ModelOptions {
  std::string path;
  AdapterOptions adapter;
  ModelOverrides overrides;

  void AddTo(CLI::App* app) {
    app->add_option("model", path, "GGUF file or Hugging Face directory")->required();
    app->add_option("--adapter", adapter.directory, "PEFT directory of a LoRA adapter, merged at load");
    app->add_option("--adapter-type", adapter.type,
                    "type of merged matrices: auto, F32, F16, BF16, Q8_0, Q4_0 or Q4_1")
        ->capture_default_str();
    app->add_option("--rope-scaling", overrides.rope_scaling,
                    R"(instead of the model's, e.g. {"rope_type": "yarn", "factor": 4})");
    app->add_option("--context-length", overrides.context_length, "positions, instead of the model's")
        ->check(CLI::Range(1, 1 << 30));
  }
  Result<std::shared_ptr<const ModelSource>> Open() const {
    return ModelSource::Open(path, adapter, overrides);
  }
};

}  // namespace exeunt::tools
