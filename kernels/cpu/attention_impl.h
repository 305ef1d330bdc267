// Paged attention for one row, written once over the vector V. K is stored with positions in lanes, V with
// head dimensions in lanes, so that no dot product is summed across lanes. Positions are reduced in chunks at
// absolute positions, and chunks merged in ascending order: the result does not depend on threads, batch,
// pages or row kind. Included by the per-instruction-set translation units only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/elementwise_impl.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/unroll.h"

namespace exeunt::cpu {
namespace {

// Where KV head `kv_head` of the page that holds `position` lies: K, then V.
inline uint16_t* KvTile(const AttentionShape& s, const KvLayerView& kv, int position, int kv_head) {
  const auto page = static_cast<size_t>(kv.pages[position / kPageTokens]);
  const size_t tile = 2 * static_cast<size_t>(kPageTokens) * static_cast<size_t>(s.head_dim);
  return kv.base + page * kv.page_stride + static_cast<size_t>(kv_head) * tile;
}

template <class V>
void StoreKv(const AttentionShape& s, const KvLayerView& kv, int position, const float* k, const float* v) {
  const auto dim = static_cast<size_t>(s.head_dim);
  const auto at = static_cast<size_t>(position % kPageTokens);
  for (int h = 0; h < s.n_kv_heads; ++h) {
    uint16_t* k_tile = KvTile(s, kv, position, h);
    uint16_t* v_row = k_tile + dim * kPageTokens + at * dim;
    for (size_t d = 0; d < dim; d += 16) {
      uint16_t half[16];
      V::ToHalf(half, V::Load(k + static_cast<size_t>(h) * dim + d));
      for (size_t i = 0; i < 16; ++i) k_tile[(d + i) * kPageTokens + at] = half[i];
      V::ToHalf(v_row + d, V::Load(v + static_cast<size_t>(h) * dim + d));
    }
  }
}

// scores[h][j] = scale * q_h . k_(tile start + j) for the tile's kPageTokens positions.
template <class V, int G>
void TileScores(const uint16_t* k_tile, const float* q, int head_dim, float scale, float* scores,
                size_t stride) {
  typename V::F acc[G][2];
  EXEUNT_UNROLL for (int h = 0; h < G; ++h) acc[h][0] = acc[h][1] = V::Zero();
  for (int d = 0; d < head_dim; ++d) {
    const auto k0 = V::FromHalf(k_tile + d * kPageTokens);
    const auto k1 = V::FromHalf(k_tile + d * kPageTokens + 16);
    EXEUNT_UNROLL for (int h = 0; h < G; ++h) {
      const auto qd = V::Set1(q[h * head_dim + d]);
      acc[h][0] = V::Fma(qd, k0, acc[h][0]);
      acc[h][1] = V::Fma(qd, k1, acc[h][1]);
    }
  }
  for (int h = 0; h < G; ++h) {
    V::Store(scores + static_cast<size_t>(h) * stride, V::Mul(acc[h][0], V::Set1(scale)));
    V::Store(scores + static_cast<size_t>(h) * stride + 16, V::Mul(acc[h][1], V::Set1(scale)));
  }
}

// The largest of scores[begin, end); whole vectors around them can be read.
template <class V>
float MaxOfVectors(const float* scores, int begin, int end) {
  auto max = V::Set1(-__builtin_inff());
  for (int i = begin / 16 * 16; i < end; i += 16) {
    auto x = V::Load(scores + i);
    if (i < begin || i + 16 > end) x = V::KeepLanes(x, begin - i, end - i, -__builtin_inff());
    max = V::Max(max, x);
  }
  return V::ReduceMax(max);
}

// scores[begin, end) becomes exp(score - max), everything else of the span 0; returns the sum, lane tree over
// the span.
template <class V>
float SoftmaxSpan(float* scores, int begin, int end, float max) {
  auto sum = V::Zero();
  for (int i = begin / 16 * 16; i < end; i += 16) {
    auto p = ExpV<V>(V::Sub(V::Load(scores + i), V::Set1(max)));
    if (i < begin || i + 16 > end) p = V::KeepLanes(p, begin - i, end - i, 0.0F);
    V::Store(scores + i, p);
    sum = V::Add(sum, p);
  }
  return V::ReduceAdd(sum);
}

// out[h][d] += sum over [begin, end) of p[h][j] * v[j][d], ascending j, for one tile. D vectors of 16
// dimensions at once: enough accumulators to hide the latency of one.
template <class V, int G, int D>
void TileValues(const uint16_t* v_tile, const float* p, size_t stride, int begin, int end, int head_dim,
                float* out) {
  typename V::F acc[G][D];
  EXEUNT_UNROLL for (int h = 0; h < G; ++h) {
    EXEUNT_UNROLL for (int i = 0; i < D; ++i) acc[h][i] = V::Load(out + h * head_dim + 16 * i);
  }
  for (int j = begin; j < end; ++j) {
    typename V::F v[D];
    EXEUNT_UNROLL for (int i = 0; i < D; ++i) v[i] = V::FromHalf(v_tile + j * head_dim + 16 * i);
    EXEUNT_UNROLL for (int h = 0; h < G; ++h) {
      const auto weight = V::Set1(p[static_cast<size_t>(h) * stride + static_cast<size_t>(j)]);
      EXEUNT_UNROLL for (int i = 0; i < D; ++i) acc[h][i] = V::Fma(weight, v[i], acc[h][i]);
    }
  }
  EXEUNT_UNROLL for (int h = 0; h < G; ++h) {
    EXEUNT_UNROLL for (int i = 0; i < D; ++i) V::Store(out + h * head_dim + 16 * i, acc[h][i]);
  }
}

// One chunk's part of the softmax of a head: out[d] = sum of exp(score - max) * v[d].
struct SoftmaxPart {
  float max = 0.0F;
  float sum = 0.0F;
};

// The positions of a chunk that a row sees: [begin, end) of [0, kAttentionChunk); empty where it sees none.
struct ChunkSpan {
  int begin = 0;
  int end = 0;
};
inline ChunkSpan SpanOf(const AttentionShape& s, int position, int chunk) {
  const int start = chunk * kAttentionChunk;
  const int first =
      s.sliding_window > 0 && position >= s.sliding_window ? position - s.sliding_window + 1 : 0;
  const int end = position + 1 - start < kAttentionChunk ? position + 1 - start : kAttentionChunk;
  return {first > start ? first - start : 0, end};
}

// G query heads that share KV head `kv_head`, over the positions of one chunk. out: [G, head_dim].
template <class V, int G>
void AttendChunk(const AttentionShape& s, const KvLayerView& kv, int position, int kv_head, int chunk,
                 const float* q, SoftmaxPart* part, float* out) {
  alignas(64) float scores[G * kAttentionChunk];
  const ChunkSpan span = SpanOf(s, position, chunk);
  const int start = chunk * kAttentionChunk;
  const int dim = s.head_dim;
  const size_t v_offset = static_cast<size_t>(dim) * kPageTokens;
  const int first_tile = span.begin / kPageTokens * kPageTokens;
  for (int t = first_tile; t < span.end; t += kPageTokens) {
    TileScores<V, G>(KvTile(s, kv, start + t, kv_head), q, dim, s.scale, scores + t, kAttentionChunk);
  }
  for (int h = 0; h < G; ++h) {
    part[h].max = MaxOfVectors<V>(scores + h * kAttentionChunk, span.begin, span.end);
    part[h].sum = SoftmaxSpan<V>(scores + h * kAttentionChunk, span.begin, span.end, part[h].max);
  }
  for (int i = 0; i < G * dim; i += 16) V::Store(out + i, V::Zero());
  for (int t = first_tile; t < span.end; t += kPageTokens) {
    const int begin = span.begin > t ? span.begin - t : 0;
    const int end = span.end - t < kPageTokens ? span.end - t : kPageTokens;
    const uint16_t* v_tile = KvTile(s, kv, start + t, kv_head) + v_offset;
    int d = 0;
    for (; d + 32 <= dim; d += 32) {
      TileValues<V, G, 2>(v_tile + d, scores + t, kAttentionChunk, begin, end, dim, out + d);
    }
    if (d < dim) TileValues<V, G, 1>(v_tile + d, scores + t, kAttentionChunk, begin, end, dim, out + d);
  }
}

// Adds the next chunk's part to a head's running softmax.
template <class V>
void MergePart(int dim, const SoftmaxPart& next, const float* next_out, SoftmaxPart* run, float* out) {
  const float max = run->max > next.max ? run->max : next.max;
  const auto old_scale = ExpV<V>(V::Set1(run->max - max));
  const auto new_scale = ExpV<V>(V::Set1(next.max - max));
  float sums[16];
  V::Store(sums, V::Add(V::Mul(V::Set1(run->sum), old_scale), V::Mul(V::Set1(next.sum), new_scale)));
  *run = {max, sums[0]};
  for (int d = 0; d < dim; d += 16) {
    const auto scaled = V::Mul(V::Load(out + d), old_scale);
    V::Store(out + d, V::Fma(V::Load(next_out + d), new_scale, scaled));
  }
}

template <class V>
void DivideBySum(int dim, const SoftmaxPart& run, float* out) {
  const auto inverse = V::Set1(1.0F / run.sum);
  for (int d = 0; d < dim; d += 16) V::Store(out + d, V::Mul(V::Load(out + d), inverse));
}

// Calls body.template operator()<G>(first head) for runs of up to four query heads: more would not fit the
// registers.
template <typename Body>
void ForHeadGroups(int heads, Body body) {
  for (int h = 0; h < heads; h += 4) {
    switch (heads - h) {
      case 1:
        body.template operator()<1>(h);
        break;
      case 2:
        body.template operator()<2>(h);
        break;
      case 3:
        body.template operator()<3>(h);
        break;
      default:
        body.template operator()<4>(h);
        break;
    }
  }
}

template <class V>
void Attention(const AttentionShape& s, const KvLayerView& kv, int position, int kv_head, const float* q,
               float* out) {
  const int heads = s.n_heads / s.n_kv_heads;
  const auto [first, last] = AttentionChunks(s, position);
  ForHeadGroups(heads, [&]<int G>(int h) {
    const int at = (kv_head * heads + h) * s.head_dim;
    SoftmaxPart run[G];
    AttendChunk<V, G>(s, kv, position, kv_head, first, q + at, run, out + at);
    for (int chunk = first + 1; chunk <= last; ++chunk) {
      alignas(64) float partial[G * kMaxHeadDim];
      SoftmaxPart next[G];
      AttendChunk<V, G>(s, kv, position, kv_head, chunk, q + at, next, partial);
      for (int i = 0; i < G; ++i) {
        MergePart<V>(s.head_dim, next[i], partial + i * s.head_dim, &run[i], out + at + i * s.head_dim);
      }
    }
    for (int i = 0; i < G; ++i) DivideBySum<V>(s.head_dim, run[i], out + at + i * s.head_dim);
  });
}

template <class V>
void AttentionChunk(const AttentionShape& s, const KvLayerView& kv, int position, int kv_head, int chunk,
                    const float* q, float* part) {
  const int heads = s.n_heads / s.n_kv_heads;
  float* statistics = part + heads * s.head_dim;  // [heads] maxima, [heads] sums
  ForHeadGroups(heads, [&]<int G>(int h) {
    SoftmaxPart parts[G];
    AttendChunk<V, G>(s, kv, position, kv_head, chunk, q + (kv_head * heads + h) * s.head_dim, parts,
                      part + h * s.head_dim);
    for (int i = 0; i < G; ++i) {
      statistics[h + i] = parts[i].max;
      statistics[heads + h + i] = parts[i].sum;
    }
  });
}

template <class V>
void AttentionMerge(const AttentionShape& s, int kv_head, int chunks, const float* parts, float* out) {
  const int heads = s.n_heads / s.n_kv_heads;
  const size_t stride = AttentionPartFloats(s);
  const auto part = [&](int chunk, int h) {
    const float* statistics = parts + static_cast<size_t>(chunk) * stride + heads * s.head_dim;
    return SoftmaxPart{statistics[h], statistics[heads + h]};
  };
  for (int h = 0; h < heads; ++h) {
    float* o = out + (kv_head * heads + h) * s.head_dim;
    const float* from = parts + h * s.head_dim;
    for (int d = 0; d < s.head_dim; d += 16) V::Store(o + d, V::Load(from + d));
    SoftmaxPart run = part(0, h);
    for (int c = 1; c < chunks; ++c) {
      MergePart<V>(s.head_dim, part(c, h), from + static_cast<size_t>(c) * stride, &run, o);
    }
    DivideBySum<V>(s.head_dim, run, o);
  }
}

}  // namespace
}  // namespace exeunt::cpu
