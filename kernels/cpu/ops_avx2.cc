#include "kernels/cpu/make_ops.h"
#include "kernels/cpu/vec_avx2.h"

namespace exeunt::cpu {

const Ops& OpsAvx2() {
  static constexpr Ops kOps = MakeOps<VecAvx2>();
  return kOps;
}

}  // namespace exeunt::cpu
