// Ops is the table of CPU kernels, one table for each instruction set. All tables give the same bits for the
// same input. The kernels are written once over a 16-lane vector (vec_scalar.h), with one order of summation
// for any number of rows. Functions work on ranges, so that a caller can split them over threads. No result
// depends on the split. Thread-safe: no state. The caller owns the buffers. A "row" array is row-major with
// the stated width.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/kv_layout.h"
#include "kernels/packed_matrix.h"
#include "kernels/vocab_stats.h"

namespace exeunt::cpu {

enum class Isa { kScalar, kAvx2, kAvx512 };

std::string_view IsaName(Isa isa);
// Returns the instruction sets that this CPU supports, slowest first. kScalar is always among them. kAvx2
// also needs FMA and F16C. kAvx512 needs F, BW, VL, DQ and VNNI.
std::vector<Isa> SupportedIsas();
// Returns the fastest supported set, or the one that EXEUNT_ISA (scalar, avx2, avx512) names.
Isa DefaultIsa();

// Input rows of a matmul.
struct MatmulInput {
  int rows = 0;
  int split = 0;             // number of rows, at most `rows`, that no tile shares with the rows after them
  const float* x = nullptr;  // [rows, k], for F32, F16 and BF16 weights
  const uint8_t* quantised = nullptr;  // for quantised weights: tiles of QuantBlocks (quant_rows.h)
};

// The output of a matmul. If `add` is set the result is added to it.
struct MatmulOutput {
  float* data = nullptr;  // [rows, stride]
  size_t stride = 0;
  bool add = false;
  int first_group = 0;  // group of the first columns of data
};

// The destination of a quantised row: row `row` of the tile at `tile`, which has `tile_rows` rows.
struct QuantSlot {
  uint8_t* tile = nullptr;
  int tile_rows = 1;
  int row = 0;
};

struct HeadRange {
  int begin = 0;
  int end = 0;
};

struct AttentionShape {
  int n_heads = 0;
  int n_kv_heads = 0;
  int head_dim = 0;        // a multiple of 16, at most kMaxHeadDim
  int sliding_window = 0;  // window in positions; 0: all positions
  float scale = 1.0F;
};
inline constexpr int kMaxHeadDim = 256;
// Number of positions that are reduced together. Chunks are then merged in ascending order. The chunk length
// is part of the definition of the result.
inline constexpr int kAttentionChunk = 512;

// The first and the last chunk to which a row at `position` attends.
struct ChunkRange {
  int first = 0;
  int last = 0;
  int count() const { return last - first + 1; }
  friend bool operator==(const ChunkRange&, const ChunkRange&) = default;
};
constexpr ChunkRange AttentionChunks(const AttentionShape& shape, int position) {
  const bool slides = shape.sliding_window > 0 && position >= shape.sliding_window;
  return {(slides ? position - shape.sliding_window + 1 : 0) / kAttentionChunk, position / kAttentionChunk};
}
// Returns the floats of the partial result of one chunk for all heads: outputs, maxima, sums.
constexpr size_t AttentionPartFloats(const AttentionShape& shape) {
  const auto heads = static_cast<size_t>(shape.n_heads);
  return (heads * static_cast<size_t>(shape.head_dim) + 2 * heads + 15) / 16 * 16;
}

struct Ops {
  // Largest number of rows in a tile of a quantised input, a power of two.
  int row_tile = 1;
  // out[r, c] = sum over k of in[r, k] * w[c, k], for the columns of groups [g0, g1) and all rows.
  void (*matmul)(const PackedMatrix& w, const MatmulInput& in, const MatmulOutput& out, int g0, int g1);
  // w alternates a group of gate's columns and a group of up's. out[r, c] = silu(gate) * up for the columns
  // of gate's groups [g0, g1).
  void (*gate_up)(const PackedMatrix& w, const MatmulInput& in, const MatmulOutput& out, int g0, int g1);
  // Quantises n floats, blocks [block, block + n / 32) of their row. n is a multiple of 32.
  void (*quantize)(const float* x, int n, int block, const QuantSlot& slot);
  // y = x / sqrt(mean(x^2) + eps) * weight; [n]. y may be x.
  void (*rms_norm)(const float* x, const float* weight, int n, float eps, float* y);
  // y += x; [n].
  void (*add)(const float* x, int n, float* y);
  // y = silu(gate) * up; [n].
  void (*swiglu)(const float* gate, const float* up, int n, float* y);
  // Rotates one head vector in place: y_i = x_i cos_i + x_partner sin_i. The partner of i is i ^ 1
  // (interleaved) or i +- head_dim / 2 (halves). sin is negative for the first of a pair. cos, sin:
  // [head_dim].
  void (*rope_interleaved)(float* x, const float* cos, const float* sin, int head_dim);
  void (*rope_halves)(float* x, const float* cos, const float* sin, int head_dim);
  // Stores one position's k and v ([n_kv_heads * head_dim] each) as F16.
  void (*store_kv)(const AttentionShape& shape, const KvLayerView& kv, int position, const float* k,
                   const float* v);
  // Computes attention for the rows at position, position + 1, ... of one sequence and the query heads of KV
  // heads `heads`. Each row attends to the positions up to its own, or to the window. q, out: [rows, n_heads,
  // head_dim].
  void (*attention)(const AttentionShape& shape, const KvLayerView& kv, int position, int rows,
                    const HeadRange& heads, const float* q, float* out);
  // The same for one row and all heads in two steps, which splits one row over threads. The first step
  // computes the part of each chunk of AttentionChunks, the second merges the parts. part:
  // [AttentionPartFloats]. parts: [chunks, AttentionPartFloats].
  void (*attention_chunk)(const AttentionShape& shape, const KvLayerView& kv, int position, int chunk,
                          const float* q, float* part);
  void (*attention_merge)(const AttentionShape& shape, int chunks, const float* parts, float* out);
  // Computes the statistics of logits [begin, end) of one row. The range lies within one vocabulary chunk.
  VocabStats (*vocab_stats)(const float* logits, int begin, int end);
  // Merges the statistics of a row's n >= 1 chunks, in ascending order.
  VocabStats (*merge_vocab_stats)(const VocabStats* chunks, int n);
  // Dot product of two vectors; [n].
  float (*dot)(const float* a, const float* b, int n);
  // y = exp((x - shift) * scale); [n]. y may be x.
  void (*exp_scaled)(const float* x, int n, float shift, float scale, float* y);
  // max[g] = the largest of x's columns in group g. x: [groups * kGroupColumns], max: [groups].
  void (*group_max)(const float* x, int groups, float* max);
  // Measure the machine (machine_peak.h). read_floats sums n floats at the speed of memory. int_dots runs
  // `iterations` of integer dot products on registers and returns the number of multiply-accumulates.
  float (*read_floats)(const float* x, size_t n);
  double (*int_dots)(int iterations);
};

const Ops& OpsFor(Isa isa);

// The exp of the kernels, bit-identical on every instruction set. It is 0 below -87.
float Exp(float x);

}  // namespace exeunt::cpu
