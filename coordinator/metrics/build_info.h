// exeunt_build_info and exeunt_model_info have the running version and model as labels.
#pragma once

#include <prometheus/registry.h>

#include <string>

namespace exeunt::coordinator {

void RegisterInfo(prometheus::Registry* registry, const std::string& model);

}  // namespace exeunt::coordinator
