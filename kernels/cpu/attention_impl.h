// Paged attention, written once over the vector V. K has positions in lanes and V has head dimensions in
// lanes, so that no dot product is summed across lanes. Positions are reduced in chunks at absolute
// positions. Chunks are merged in ascending order. The result therefore does not depend on threads, batch,
// pages or row kind. Only the per-instruction-set translation units include this header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "kernels/cpu/elementwise_impl.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/unroll.h"

namespace exeunt::cpu {
namespace {

// The offset of the tile of KV head `kv_head` in the page that holds `position`. The tile is K
// [head_dim][kPageTokens] or V [kPageTokens][head_dim].
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

// Number of tiles between a tile's prefetch and its use. The hardware prefetcher stops at every 4 KiB, where
// a tile of 64 dimensions ends. With 8000 positions the prefetch gives 37 GB/s instead of 28. Plain reading
// gives 43.
constexpr int kTilesAhead = 2;
constexpr int kLineElements = 32;  // F16 elements of a cache line

// scores[h][j] = scale * q_h . k_(tile start + j) for the tile's kPageTokens positions. Also fetches the tile
// `ahead`.
template <class V, int G>
void TileScores(const uint16_t* k_tile, const uint16_t* ahead, const float* q, int head_dim, float scale,
                float* scores, size_t stride) {
  typename V::F acc[G][2];
  EXEUNT_UNROLL for (int h = 0; h < G; ++h) acc[h][0] = acc[h][1] = V::Zero();
  for (int d = 0; d < head_dim; ++d) {
    const auto k0 = V::FromHalf(k_tile + d * kPageTokens);
    const auto k1 = V::FromHalf(k_tile + d * kPageTokens + 16);
    __builtin_prefetch(ahead + d * kLineElements);
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

// Returns the largest of scores[begin, end). The whole vectors around this range must be readable.
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

// Replaces scores[begin, end) by exp(score - max) and the rest of the span by 0. Returns the sum, which is a
// tree over the lanes of the span.
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
// dimensions are summed at once, which are enough accumulators to hide the latency of one. Also fetches the
// same part of the tile `ahead`.
template <class V, int G, int D>
void TileValues(const uint16_t* v_tile, const uint16_t* ahead, const float* p, size_t stride, int begin,
                int end, int head_dim, float* out) {
  typename V::F acc[G][D];
  EXEUNT_UNROLL for (int h = 0; h < G; ++h) {
    EXEUNT_UNROLL for (int i = 0; i < D; ++i) acc[h][i] = V::Load(out + h * head_dim + 16 * i);
  }
  for (int j = begin; j < end; ++j) {
    typename V::F v[D];
    EXEUNT_UNROLL for (int i = 0; i < D; ++i) v[i] = V::FromHalf(v_tile + j * head_dim + 16 * i);
    for (int i = 0; i < 16 * D; i += kLineElements) __builtin_prefetch(ahead + j * head_dim + i);
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

// The positions of a chunk that a row sees: [begin, end) of [0, kAttentionChunk). It is empty if the row sees
// none.
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

// Queries that share a KV head and therefore every load of it. They are the query heads of one row, or of a
// few rows of a prompt.
struct QueryRun {
  int kv_head = 0;
  int first = 0;  // index in QueryBatch
  int count = 0;  // at most V::kQueries, which is what fits the registers
};

// Queries that run over a chunk together. They are query heads of successive rows of one sequence.
struct QueryBatch {
  static constexpr int kMax = 32;
  int n = 0;
  int row[kMax];   // offset from the first row
  int head[kMax];  // query head
  int runs = 0;
  QueryRun run[kMax];
};

// Calls body.template operator()<G>() with G = count.
template <class V, int G = 1, typename Body>
void WithCount(int count, Body body) {
  if constexpr (G <= V::kQueries) {
    if (count == G) return body.template operator()<G>();
    WithCount<V, G + 1>(count, body);
  }
}

// Calls body(batch) for the query heads of KV heads `heads` of `rows` rows.
template <class V, typename Body>
void ForBatches(const AttentionShape& s, int rows, const HeadRange& heads, Body body) {
  QueryBatch batch;
  const int group = s.n_heads / s.n_kv_heads;
  for (int kv_head = heads.begin; kv_head < heads.end; ++kv_head) {
    for (int h = 0; h < group; h += V::kQueries) {
      const int together = group - h < V::kQueries ? group - h : V::kQueries;
      if (batch.n + rows * together > QueryBatch::kMax) {
        body(batch);
        batch = {};
      }
      batch.run[batch.runs++] = {kv_head, batch.n, rows * together};
      for (int r = 0; r < rows; ++r) {
        for (int i = 0; i < together; ++i, ++batch.n) {
          batch.row[batch.n] = r;
          batch.head[batch.n] = kv_head * group + h + i;
        }
      }
    }
  }
  if (batch.n > 0) body(batch);
}

// Adds the values of one tile for queries of a run that see the same part of it.
template <class V, int G>
void RunValues(const uint16_t* tile, const uint16_t* ahead, const float* p, int begin, int end, int dim,
               float* out) {
  constexpr int D = G <= 4 ? V::kValueVectors : 2;  // as many accumulators as fit
  int d = 0;
  for (; d + 16 * D <= dim; d += 16 * D) {
    TileValues<V, G, D>(tile + d, ahead + d, p, kAttentionChunk, begin, end, dim, out + d);
  }
  for (; d < dim; d += 16)
    TileValues<V, G, 1>(tile + d, ahead + d, p, kAttentionChunk, begin, end, dim, out + d);
}

// Runs the batch over the positions of one chunk. The batch's first row is at `position`. First K and then V
// are read in the order of memory, with all heads of a page before the next page. q, out: [batch.n,
// head_dim]. part: [batch.n].
template <class V>
void AttendChunk(const AttentionShape& s, const KvLayerView& kv, int position, int chunk,
                 const QueryBatch& batch, const float* q, SoftmaxPart* part, float* out) {
  alignas(64) float scores[QueryBatch::kMax * kAttentionChunk];
  const int start = chunk * kAttentionChunk;
  const int dim = s.head_dim;
  ChunkSpan span[QueryBatch::kMax];
  for (int i = 0; i < batch.n; ++i) span[i] = SpanOf(s, position + batch.row[i], chunk);
  // The first row sees the earliest position, because rows ascend.
  const int first_tile = span[0].begin / kPageTokens * kPageTokens;
  const int end = span[batch.n - 1].end;  // the last row sees the latest one
  // Returns the tile that is read kTilesAhead after the tile of run i at t. It is a tile of `base`. Past the
  // end of `base` it is one of the first tiles of `next` that are read.
  const auto ahead = [&](const uint16_t* base, int t, int i, const uint16_t* next, int next_start) {
    const int kv_head = batch.run[(i + kTilesAhead) % batch.runs].kv_head;
    const int later = t + (i + kTilesAhead) / batch.runs * kPageTokens;
    return later < end ? base + TileAt(s, kv, start + later, kv_head)
                       : next + TileAt(s, kv, next_start, kv_head);
  };
  const bool more = start + kAttentionChunk <= position + batch.row[batch.n - 1];
  const int next_chunk = start + (more ? kAttentionChunk : first_tile);
  for (int t = first_tile; t < end; t += kPageTokens) {
    for (int i = 0; i < batch.runs; ++i) {
      const QueryRun& run = batch.run[i];
      const uint16_t* tile = kv.k + TileAt(s, kv, start + t, run.kv_head);
      WithCount<V>(run.count, [&]<int G>() {
        TileScores<V, G>(tile, ahead(kv.k, t, i, kv.v, start + first_tile), q + run.first * dim, dim, s.scale,
                         scores + run.first * kAttentionChunk + t, kAttentionChunk);
      });
    }
  }
  for (int i = 0; i < batch.n; ++i) {
    float* row = scores + i * kAttentionChunk;
    part[i].max = MaxOfVectors<V>(row, span[i].begin, span[i].end);
    part[i].sum = SoftmaxSpan<V>(row, span[i].begin, span[i].end, part[i].max);
    for (int d = 0; d < dim; d += 16) V::Store(out + i * dim + d, V::Zero());
  }
  for (int t = first_tile; t < end; t += kPageTokens) {
    const auto seen = [&](int i) {
      return ChunkSpan{span[i].begin > t ? span[i].begin - t : 0,
                       span[i].end - t < kPageTokens ? span[i].end - t : kPageTokens};
    };
    for (int r = 0; r < batch.runs; ++r) {
      const QueryRun& run = batch.run[r];
      const uint16_t* tile = kv.v + TileAt(s, kv, start + t, run.kv_head);
      for (int i = run.first; i < run.first + run.count;) {
        const ChunkSpan in_tile = seen(i);
        int n = 1;
        while (i + n < run.first + run.count && seen(i + n).begin == in_tile.begin &&
               seen(i + n).end == in_tile.end) {
          ++n;
        }
        WithCount<V>(n, [&]<int G>() {
          RunValues<V, G>(tile, ahead(kv.v, t, r, kv.k, next_chunk), scores + i * kAttentionChunk + t,
                          in_tile.begin, in_tile.end, dim, out + i * dim);
        });
        i += n;
      }
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

// Places the batch's queries side by side. from: [rows, n_heads, head_dim]. to: [batch.n, head_dim].
template <class V>
void GatherQueries(const AttentionShape& s, const QueryBatch& batch, const float* from, float* to) {
  for (int i = 0; i < batch.n; ++i, to += s.head_dim) {
    const float* q = from + (batch.row[i] * s.n_heads + batch.head[i]) * s.head_dim;
    for (int d = 0; d < s.head_dim; d += 16) V::Store(to + d, V::Load(q + d));
  }
}

// Computes attention for rows that attend to the same chunks.
template <class V>
void AttendRows(const AttentionShape& s, const KvLayerView& kv, int position, int rows,
                const HeadRange& heads, const float* q, float* out) {
  const ChunkRange range = AttentionChunks(s, position);
  const int dim = s.head_dim;
  ForBatches<V>(s, rows, heads, [&](const QueryBatch& batch) {
    alignas(64) float queries[QueryBatch::kMax * kMaxHeadDim];
    alignas(64) float sum[QueryBatch::kMax * kMaxHeadDim];
    alignas(64) float partial[QueryBatch::kMax * kMaxHeadDim];
    SoftmaxPart run[QueryBatch::kMax];
    SoftmaxPart next[QueryBatch::kMax];
    GatherQueries<V>(s, batch, q, queries);
    AttendChunk<V>(s, kv, position, range.first, batch, queries, run, sum);
    for (int chunk = range.first + 1; chunk <= range.last; ++chunk) {
      AttendChunk<V>(s, kv, position, chunk, batch, queries, next, partial);
      for (int i = 0; i < batch.n; ++i) MergePart<V>(dim, next[i], partial + i * dim, &run[i], sum + i * dim);
    }
    for (int i = 0; i < batch.n; ++i) {
      DivideBySum<V>(dim, run[i], sum + i * dim, out + (batch.row[i] * s.n_heads + batch.head[i]) * dim);
    }
  });
}

template <class V>
void Attention(const AttentionShape& s, const KvLayerView& kv, int position, int rows, const HeadRange& heads,
               const float* q, float* out) {
  const int group = s.n_heads / s.n_kv_heads;
  const int most = group < V::kQueries ? V::kQueries / group : 1;
  for (int r = 0; r < rows;) {
    const ChunkRange range = AttentionChunks(s, position + r);
    int n = 1;
    while (n < most && r + n < rows && AttentionChunks(s, position + r + n) == range) ++n;
    const int at = r * s.n_heads * s.head_dim;
    AttendRows<V>(s, kv, position + r, n, heads, q + at, out + at);
    r += n;
  }
}

template <class V>
void AttentionChunk(const AttentionShape& s, const KvLayerView& kv, int position, int chunk, const float* q,
                    float* part) {
  const int dim = s.head_dim;
  float* statistics = part + s.n_heads * dim;  // [n_heads] maxima, [n_heads] sums
  ForBatches<V>(s, 1, {0, s.n_kv_heads}, [&](const QueryBatch& batch) {
    alignas(64) float queries[QueryBatch::kMax * kMaxHeadDim];
    alignas(64) float out[QueryBatch::kMax * kMaxHeadDim];
    SoftmaxPart parts[QueryBatch::kMax];
    GatherQueries<V>(s, batch, q, queries);
    AttendChunk<V>(s, kv, position, chunk, batch, queries, parts, out);
    for (int i = 0; i < batch.n; ++i) {
      const int head = batch.head[i];
      for (int d = 0; d < dim; d += 16) V::Store(part + head * dim + d, V::Load(out + i * dim + d));
      statistics[head] = parts[i].max;
      statistics[s.n_heads + head] = parts[i].sum;
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
