// Paged attention for one row, written once over the vector V. K is stored with positions in lanes, V with
// head dimensions in lanes, so that no dot product is summed across lanes. Positions are reduced in chunks at
// absolute positions, and chunks merged in ascending order: the result does not depend on threads, batch,
// pages or row kind. Included by the per-instruction-set translation units only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "kernels/cpu/elementwise_impl.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/unroll.h"

namespace exeunt::cpu {
namespace {

// The tile of KV head `kv_head` in the page that holds `position`: K [head_dim][kPageTokens], V
// [kPageTokens][head_dim].
inline size_t TileAt(const AttentionShape& s, const KvLayerView& kv, int position, int kv_head) {
  const auto page = static_cast<size_t>(kv.pages[position / kPageTokens]);
  return page * kv.page_stride + static_cast<size_t>(kv_head * s.head_dim) * kPageTokens;
}

template <class V>
void StoreKv(const AttentionShape& s, const KvLayerView& kv, int position, const float* k, const float* v) {
  const auto dim = static_cast<size_t>(s.head_dim);
  const auto at = static_cast<size_t>(position % kPageTokens);
  for (int h = 0; h < s.n_kv_heads; ++h, k += dim, v += dim) {
    const size_t tile = TileAt(s, kv, position, h);
    uint16_t* k_tile = kv.k + tile;
    uint16_t* v_row = kv.v + tile + at * dim;
    for (size_t d = 0; d < dim; d += 16) {
      uint16_t half[16];
      V::ToHalf(half, V::Load(k + d));
      for (size_t i = 0; i < 16; ++i) k_tile[(d + i) * kPageTokens + at] = half[i];
      V::ToHalf(v_row + d, V::Load(v + d));
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

// Up to four query heads that share a KV head: more would not fit the registers.
struct HeadRun {
  int kv_head = 0;
  int head = 0;  // the first query head
  int count = 0;
};
inline constexpr int kMaxRuns = 8;  // that go over a chunk together

// body.template operator()<G>(), G = count.
template <typename Body>
void WithCount(int count, Body body) {
  switch (count) {
    case 1:
      return body.template operator()<1>();
    case 2:
      return body.template operator()<2>();
    case 3:
      return body.template operator()<3>();
    default:
      return body.template operator()<4>();
  }
}

// Calls body(runs, n) over the query heads of the KV heads, up to kMaxRuns at a time.
template <typename Body>
void ForRuns(const AttentionShape& s, const HeadRange& heads, Body body) {
  HeadRun runs[kMaxRuns];
  int n = 0;
  const int group = s.n_heads / s.n_kv_heads;
  for (int kv_head = heads.begin; kv_head < heads.end; ++kv_head) {
    for (int h = 0; h < group; h += 4) {
      runs[n++] = {kv_head, kv_head * group + h, group - h < 4 ? group - h : 4};
      if (n == kMaxRuns) body(runs, std::exchange(n, 0));
    }
  }
  if (n > 0) body(runs, n);
}

// The runs' heads over the positions of one chunk. K, then V are read in the order of memory, all heads of a
// page before the next page. q: [n_heads, head_dim]; part, out of run i's head h: part[4i + h], out + (4i +
// h) dim.
template <class V>
void AttendChunk(const AttentionShape& s, const KvLayerView& kv, int position, int chunk, const HeadRun* runs,
                 int n, const float* q, SoftmaxPart* part, float* out) {
  alignas(64) float scores[4 * kMaxRuns * kAttentionChunk];
  const ChunkSpan span = SpanOf(s, position, chunk);
  const int start = chunk * kAttentionChunk;
  const int dim = s.head_dim;
  const int first_tile = span.begin / kPageTokens * kPageTokens;
  for (int t = first_tile; t < span.end; t += kPageTokens) {
    for (int i = 0; i < n; ++i) {
      const uint16_t* tile = kv.k + TileAt(s, kv, start + t, runs[i].kv_head);
      WithCount(runs[i].count, [&]<int G>() {
        TileScores<V, G>(tile, q + runs[i].head * dim, dim, s.scale, scores + 4 * i * kAttentionChunk + t,
                         kAttentionChunk);
      });
    }
  }
  for (int i = 0; i < n; ++i) {
    for (int h = 4 * i; h < 4 * i + runs[i].count; ++h) {
      float* row = scores + h * kAttentionChunk;
      part[h].max = MaxOfVectors<V>(row, span.begin, span.end);
      part[h].sum = SoftmaxSpan<V>(row, span.begin, span.end, part[h].max);
      for (int d = 0; d < dim; d += 16) V::Store(out + h * dim + d, V::Zero());
    }
  }
  for (int t = first_tile; t < span.end; t += kPageTokens) {
    const int begin = span.begin > t ? span.begin - t : 0;
    const int end = span.end - t < kPageTokens ? span.end - t : kPageTokens;
    for (int i = 0; i < n; ++i) {
      const uint16_t* tile = kv.v + TileAt(s, kv, start + t, runs[i].kv_head);
      const float* p = scores + 4 * i * kAttentionChunk + t;
      float* o = out + 4 * i * dim;
      WithCount(runs[i].count, [&]<int G>() {
        constexpr int D = V::kValueVectors;
        int d = 0;
        for (; d + 16 * D <= dim; d += 16 * D) {
          TileValues<V, G, D>(tile + d, p, kAttentionChunk, begin, end, dim, o + d);
        }
        for (; d < dim; d += 16) TileValues<V, G, 1>(tile + d, p, kAttentionChunk, begin, end, dim, o + d);
      });
    }
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
void DivideBySum(int dim, const SoftmaxPart& run, const float* sum, float* out) {
  const auto inverse = V::Set1(1.0F / run.sum);
  for (int d = 0; d < dim; d += 16) V::Store(out + d, V::Mul(V::Load(sum + d), inverse));
}

template <class V>
void Attention(const AttentionShape& s, const KvLayerView& kv, int position, const HeadRange& heads,
               const float* q, float* out) {
  const ChunkRange range = AttentionChunks(s, position);
  const int dim = s.head_dim;
  ForRuns(s, heads, [&](const HeadRun* runs, int n) {
    SoftmaxPart run[4 * kMaxRuns];
    SoftmaxPart next[4 * kMaxRuns];
    alignas(64) float sum[4 * kMaxRuns * kMaxHeadDim];
    alignas(64) float partial[4 * kMaxRuns * kMaxHeadDim];
    AttendChunk<V>(s, kv, position, range.first, runs, n, q, run, sum);
    for (int chunk = range.first + 1; chunk <= range.last; ++chunk) {
      AttendChunk<V>(s, kv, position, chunk, runs, n, q, next, partial);
      for (int i = 0; i < n; ++i) {
        for (int h = 4 * i; h < 4 * i + runs[i].count; ++h) {
          MergePart<V>(dim, next[h], partial + h * dim, &run[h], sum + h * dim);
        }
      }
    }
    for (int i = 0; i < n; ++i) {
      for (int h = 0; h < runs[i].count; ++h) {
        DivideBySum<V>(dim, run[4 * i + h], sum + (4 * i + h) * dim, out + (runs[i].head + h) * dim);
      }
    }
  });
}

template <class V>
void AttentionChunk(const AttentionShape& s, const KvLayerView& kv, int position, int chunk, const float* q,
                    float* part) {
  const int dim = s.head_dim;
  float* statistics = part + s.n_heads * dim;  // [n_heads] maxima, [n_heads] sums
  ForRuns(s, {0, s.n_kv_heads}, [&](const HeadRun* runs, int n) {
    SoftmaxPart parts[4 * kMaxRuns];
    alignas(64) float out[4 * kMaxRuns * kMaxHeadDim];
    AttendChunk<V>(s, kv, position, chunk, runs, n, q, parts, out);
    for (int i = 0; i < n; ++i) {
      for (int h = 0; h < runs[i].count; ++h) {
        const int head = runs[i].head + h;
        for (int d = 0; d < dim; d += 16)
          V::Store(part + head * dim + d, V::Load(out + (4 * i + h) * dim + d));
        statistics[head] = parts[4 * i + h].max;
        statistics[s.n_heads + head] = parts[4 * i + h].sum;
      }
    }
  });
}

template <class V>
void AttentionMerge(const AttentionShape& s, int chunks, const float* parts, float* out) {
  const int dim = s.head_dim;
  const size_t stride = AttentionPartFloats(s);
  const auto part = [&](int chunk, int h) {
    const float* statistics = parts + static_cast<size_t>(chunk) * stride + s.n_heads * dim;
    return SoftmaxPart{statistics[h], statistics[s.n_heads + h]};
  };
  for (int h = 0; h < s.n_heads; ++h) {
    float* o = out + h * dim;
    const float* from = parts + h * dim;
    for (int d = 0; d < dim; d += 16) V::Store(o + d, V::Load(from + d));
    SoftmaxPart run = part(0, h);
    for (int c = 1; c < chunks; ++c) {
      MergePart<V>(dim, part(c, h), from + static_cast<size_t>(c) * stride, &run, o);
    }
    DivideBySum<V>(dim, run, o, o);
  }
}

}  // namespace
}  // namespace exeunt::cpu
