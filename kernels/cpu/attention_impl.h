// Paged attention for one row, written once over the vector V. K is stored with positions in lanes, V with
// head dimensions in lanes, so that no dot product is summed across lanes. Positions are reduced in chunks at
// absolute positions, and chunks merged in ascending order: the result does not depend on threads, batch,
// pages or row kind. Included by the per-instruction-set translation units only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/elementwise_impl.h"
#include "kernels/cpu/ops.h"

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
  for (auto& a : acc) a[0] = a[1] = V::Zero();
  for (int d = 0; d < head_dim; ++d) {
    const auto k0 = V::FromHalf(k_tile + d * kPageTokens);
    const auto k1 = V::FromHalf(k_tile + d * kPageTokens + 16);
    for (int h = 0; h < G; ++h) {
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

// scores[begin, end) becomes exp(score - max), everything else of the span 0; returns the sum, lane tree over
// the span.
template <class V>
float SoftmaxSpan(float* scores, int begin, int end, float max) {
  float sum_lanes[16] = {};
  auto sum = V::Load(sum_lanes);
  for (int i = begin / 16 * 16; i < end; i += 16) {
    float p[16];
    V::Store(p, ExpV<V>(V::Sub(V::Load(scores + i), V::Set1(max))));
    for (int j = 0; j < 16; ++j) {
      if (i + j < begin || i + j >= end) p[j] = 0.0F;
    }
    V::Store(scores + i, V::Load(p));
    sum = V::Add(sum, V::Load(p));
  }
  return V::ReduceAdd(sum);
}

// out[h][d] += sum over [begin, end) of p[h][j] * v[j][d], ascending j, for one tile.
template <class V, int G>
void TileValues(const uint16_t* v_tile, const float* p, size_t stride, int begin, int end, int head_dim,
                float* out) {
  for (int d = 0; d < head_dim; d += 16) {
    typename V::F acc[G];
    for (int h = 0; h < G; ++h) acc[h] = V::Load(out + h * head_dim + d);
    for (int j = begin; j < end; ++j) {
      const auto v = V::FromHalf(v_tile + j * head_dim + d);
      for (int h = 0; h < G; ++h) {
        acc[h] = V::Fma(V::Set1(p[static_cast<size_t>(h) * stride + static_cast<size_t>(j)]), v, acc[h]);
      }
    }
    for (int h = 0; h < G; ++h) V::Store(out + h * head_dim + d, acc[h]);
  }
}

// Running softmax of a head over the chunks so far.
struct RunningSoftmax {
  float max = 0.0F;
  float sum = 0.0F;
};

// G query heads that share KV head `kv_head`.
template <class V, int G>
void AttendGroup(const AttentionShape& s, const KvLayerView& kv, int position, int kv_head, const float* q,
                 float* out) {
  alignas(64) float scores[G * kAttentionChunk];
  alignas(64) float partial[G * kMaxHeadDim];
  RunningSoftmax run[G];
  const int first =
      s.sliding_window > 0 && position >= s.sliding_window ? position - s.sliding_window + 1 : 0;
  const int dim = s.head_dim;
  const size_t v_offset = static_cast<size_t>(dim) * kPageTokens;
  bool started = false;
  for (int chunk = first / kAttentionChunk * kAttentionChunk; chunk <= position; chunk += kAttentionChunk) {
    const int begin = first > chunk ? first - chunk : 0;
    const int end = position - chunk + 1 < kAttentionChunk ? position - chunk + 1 : kAttentionChunk;
    const int first_tile = begin / kPageTokens * kPageTokens;
    for (int t = first_tile; t < end; t += kPageTokens) {
      TileScores<V, G>(KvTile(s, kv, chunk + t, kv_head), q, dim, s.scale, scores + t, kAttentionChunk);
    }
    float sums[G];
    float maxima[G];
    for (int h = 0; h < G; ++h) {
      maxima[h] = MaxOf<V>(scores + h * kAttentionChunk, begin, end);
      sums[h] = SoftmaxSpan<V>(scores + h * kAttentionChunk, begin, end, maxima[h]);
    }
    for (int i = 0; i < G * dim; ++i) partial[i] = 0.0F;
    for (int t = first_tile; t < end; t += kPageTokens) {
      const int tile_begin = begin > t ? begin - t : 0;
      const int tile_end = end - t < kPageTokens ? end - t : kPageTokens;
      TileValues<V, G>(KvTile(s, kv, chunk + t, kv_head) + v_offset, scores + t, kAttentionChunk, tile_begin,
                       tile_end, dim, partial);
    }
    for (int h = 0; h < G; ++h) {
      float* o = out + h * dim;
      if (!started) {
        run[h] = {maxima[h], sums[h]};
        for (int d = 0; d < dim; d += 16) V::Store(o + d, V::Load(partial + h * dim + d));
        continue;
      }
      const float max = run[h].max > maxima[h] ? run[h].max : maxima[h];
      const auto old_scale = ExpV<V>(V::Set1(run[h].max - max));
      const auto new_scale = ExpV<V>(V::Set1(maxima[h] - max));
      float a[16];
      V::Store(a, V::Add(V::Mul(V::Set1(run[h].sum), old_scale), V::Mul(V::Set1(sums[h]), new_scale)));
      run[h] = {max, a[0]};
      for (int d = 0; d < dim; d += 16) {
        const auto scaled = V::Mul(V::Load(o + d), old_scale);
        V::Store(o + d, V::Fma(V::Load(partial + h * dim + d), new_scale, scaled));
      }
    }
    started = true;
  }
  for (int h = 0; h < G; ++h) {
    const auto inverse = V::Set1(1.0F / run[h].sum);
    for (int d = 0; d < dim; d += 16)
      V::Store(out + h * dim + d, V::Mul(V::Load(out + h * dim + d), inverse));
  }
}

// Query heads are taken in runs of up to four: more would not fit the registers.
template <class V>
void Attention(const AttentionShape& s, const KvLayerView& kv, int position, int kv_head, const float* q,
               float* out) {
  const int group = s.n_heads / s.n_kv_heads;
  for (int h = 0; h < group;) {
    const int at = (kv_head * group + h) * s.head_dim;
    switch (group - h) {
      case 1:
        AttendGroup<V, 1>(s, kv, position, kv_head, q + at, out + at);
        h += 1;
        break;
      case 2:
        AttendGroup<V, 2>(s, kv, position, kv_head, q + at, out + at);
        h += 2;
        break;
      case 3:
        AttendGroup<V, 3>(s, kv, position, kv_head, q + at, out + at);
        h += 3;
        break;
      default:
        AttendGroup<V, 4>(s, kv, position, kv_head, q + at, out + at);
        h += 4;
        break;
    }
  }
}

}  // namespace
}  // namespace exeunt::cpu
