#include "kernels/cpu/make_ops.h"
#include "kernels/cpu/vec_avx512.h"

namespace exeunt::cpu {

const Ops& OpsAvx512() {
  static constexpr Ops kOps = MakeOps<VecAvx512>();
  return kOps;
}

}  // namespace exeunt::cpu
