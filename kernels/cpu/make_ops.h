// Makes the table of operations over the vector V. Only the per-instruction-set translation units include
// this header. Their compiler flags allow instructions that not every CPU can run. Functions here must
// therefore not be inline functions of another header.
#pragma once

#include "kernels/cpu/attention_impl.h"
#include "kernels/cpu/elementwise_impl.h"
#include "kernels/cpu/matmul_impl.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/peak_impl.h"

namespace exeunt::cpu {

const Ops& OpsScalar();
const Ops& OpsAvx2();
const Ops& OpsAvx512();

namespace {

template <class V>
constexpr Ops MakeOps() {
  return {.row_tile = V::kRowTile,
          .matmul = Matmul<V>,
          .gate_up = GateUp<V>,
          .quantize = Quantize<V>,
          .rms_norm = RmsNorm<V>,
          .add = Add<V>,
          .swiglu = SwiGlu<V>,
          .rope_interleaved = RopeInterleaved<V>,
          .rope_halves = RopeHalves<V>,
          .store_kv = StoreKv<V>,
          .attention = Attention<V>,
          .attention_chunk = AttentionChunk<V>,
          .attention_merge = AttentionMerge<V>,
          .vocab_stats = ComputeVocabStats<V>,
          .merge_vocab_stats = MergeVocabStats<V>,
          .dot = Dot<V>,
          .exp_scaled = ExpScaled<V>,
          .group_max = GroupMax<V>,
          .read_floats = ReadFloats<V>,
          .int_dots = IntDots<V>};
}

}  // namespace
}  // namespace exeunt::cpu
