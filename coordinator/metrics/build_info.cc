#include "coordinator/metrics/build_info.h"

#include <prometheus/gauge.h>

namespace exeunt::coordinator {

void RegisterInfo(prometheus::Registry* registry, const std::string& model) {
  const auto add = [registry](const char* name, const char* help, const prometheus::Labels& labels) {
    prometheus::BuildGauge().Name(name).Help(help).Register(*registry).Add(labels).Set(1);
  };
  add("exeunt_build_info", "1; its labels are the version and the compiler",
      {{"version", EXEUNT_VERSION}, {"compiler", __VERSION__}});
  add("exeunt_model_info", "1; its label is the model that is served", {{"model", model}});
}

}  // namespace exeunt::coordinator
