#include "kernels/cpu/ops.h"

#include <cpuid.h>

#include <cstdlib>
#include <string_view>

#include "base/check.h"
#include "base/log.h"
#include "kernels/cpu/elementwise_impl.h"
#include "kernels/cpu/vec_scalar.h"

namespace exeunt::cpu {

const Ops& OpsScalar();
const Ops& OpsAvx2();
const Ops& OpsAvx512();

std::string_view IsaName(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return "scalar";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
  }
  return "?";
}

// clang 14's __builtin_cpu_supports does not know F16C.
static bool HasF16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

std::vector<Isa> SupportedIsas() {
  std::vector<Isa> isas = {Isa::kScalar};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && HasF16c()) {
    isas.push_back(Isa::kAvx2);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vnni")) {
      isas.push_back(Isa::kAvx512);
    }
  }
  return isas;
}

Isa DefaultIsa() {
  const auto isas = SupportedIsas();
  const char* wanted = std::getenv("EXEUNT_ISA");
  if (wanted == nullptr) return isas.back();
  for (Isa isa : isas) {
    if (IsaName(isa) == wanted) return isa;
  }
  spdlog::warn("EXEUNT_ISA={} is not one that this CPU can run; using {}", wanted, IsaName(isas.back()));
  return isas.back();
}

const Ops& OpsFor(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return OpsScalar();
    case Isa::kAvx2:
      return OpsAvx2();
    case Isa::kAvx512:
      return OpsAvx512();
  }
  CHECK_MSG(false, "no such instruction set: {}", static_cast<int>(isa));
}

float Exp(float x) { return ExpV<VecScalar>(VecScalar::Set1(x)).v[0]; }

}  // namespace exeunt::cpu
