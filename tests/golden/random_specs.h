// The small random models that have goldens: one per architecture, per RoPE scaling and per type of weights.
// The golden NAME.json holds the logits that make_goldens.py computed for the file of the spec NAME.
#pragma once

#include <string>
#include <vector>

#include "model/testing/random_model.h"

namespace exeunt {

struct NamedSpec {
  std::string name;
  RandomModelSpec spec;
};

std::vector<NamedSpec> GoldenSpecs();

}  // namespace exeunt
