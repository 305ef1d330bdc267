#include "kernels/cpu/make_ops.h"
#include "kernels/cpu/vec_scalar.h"

namespace exeunt::cpu {

const Ops& OpsScalar() {
  static constexpr Ops kOps = MakeOps<VecScalar>();
  return kOps;
}

}  // namespace exeunt::cpu
