// Attention over the paged cache against a loop in double, and against the scalar kernels, bit for bit.
#include <cmath>
#include <cstring>

#include "kernels/dequantize.h"
#include "kernels/testing/ops_testing.h"

namespace exeunt::cpu {
namespace {

INSTANTIATE_TEST_SUITE_P(Cpu, EveryIsa, testing::ValuesIn(SupportedIsas()), NameOfIsa);

struct KvFixture {
  KvFixture(const Ops& ops, AttentionShape s, int positions) : shape(s), d_kv(s.n_kv_heads * s.head_dim) {
    const int pages_needed = (positions + kPageTokens - 1) / kPageTokens;
    view.page_stride = KvPageElements(s.n_kv_heads, s.head_dim);
    const size_t elements = view.page_stride * static_cast<size_t>(pages_needed);
    memory.assign(2 * elements, 0x7E00);  // NaN where nothing was written
    for (int p = 0; p < pages_needed; ++p) pages.push_back(pages_needed - 1 - p);
    view.k = memory.data();
    view.v = memory.data() + elements;
    view.pages = pages.data();
    k = RandomFloats(static_cast<size_t>(positions * d_kv), 31);
    v = RandomFloats(static_cast<size_t>(positions * d_kv), 32);
    for (int p = 0; p < positions; ++p) ops.store_kv(shape, view, p, &k[Index(p)], &v[Index(p)]);
  }
  size_t Index(int position) const { return static_cast<size_t>(position * d_kv); }
  AttentionShape shape;
  int d_kv;
  std::vector<uint16_t> memory;
  std::vector<int32_t> pages;
  KvLayerView view;
  std::vector<float> k, v;
};

TEST_P(EveryIsa, AttentionMatchesADoubleLoopAndTheScalarBits) {
  for (const AttentionShape shape : {AttentionShape{9, 3, 64, 0, 0.125F}, AttentionShape{4, 4, 16, 0, 0.25F},
                                     AttentionShape{8, 1, 32, 0, 0.2F}, AttentionShape{10, 2, 48, 40, 0.2F},
                                     AttentionShape{20, 10, 16, 600, 0.25F}}) {
    const int positions = 1200;
    const KvFixture kv(ops(), shape, positions);
    const KvFixture scalar_kv(OpsFor(Isa::kScalar), shape, positions);
    ASSERT_EQ(kv.memory, scalar_kv.memory);
    const int d_q = shape.n_heads * shape.head_dim;
    const auto q = RandomFloats(static_cast<size_t>(d_q), 33);
    for (int position : {0, 1, 15, 31, 32, 39, 40, 100, 511, 512, 513, 1199}) {
      std::vector<float> out(static_cast<size_t>(d_q)), want(out.size());
      for (int h = 0; h < shape.n_kv_heads; ++h) {
        ops().attention(shape, kv.view, position, 1, {h, h + 1}, q.data(), out.data());
      }
      OpsFor(Isa::kScalar)
          .attention(shape, kv.view, position, 1, {0, shape.n_kv_heads}, q.data(), want.data());
      ASSERT_EQ(std::memcmp(out.data(), want.data(), out.size() * 4), 0) << "position " << position;
      const ChunkRange range = AttentionChunks(shape, position);  // chunk by chunk
      const size_t floats = AttentionPartFloats(shape);
      std::vector<float> parts(floats * static_cast<size_t>(range.count()));
      for (int c = 0; c < range.count(); ++c) {
        ops().attention_chunk(shape, kv.view, position, range.first + c, q.data(),
                              &parts[floats * static_cast<size_t>(c)]);
      }
      ops().attention_merge(shape, range.count(), parts.data(), out.data());
      ASSERT_EQ(std::memcmp(out.data(), want.data(), out.size() * 4), 0) << "in chunks, " << position;
      const int first = shape.sliding_window > 0 ? std::max(0, position - shape.sliding_window + 1) : 0;
      for (int h = 0; h < shape.n_heads; ++h) {
        const int kv_head = h / (shape.n_heads / shape.n_kv_heads);
        const auto at = [&](const std::vector<float>& x, int p, int d) {
          return double{
              HalfToFloat(FloatToHalf(x[kv.Index(p) + static_cast<size_t>(kv_head * shape.head_dim + d)]))};
        };
        std::vector<double> scores;
        double sum = 0;
        for (int p = first; p <= position; ++p) {
          double s = 0;
          for (int d = 0; d < shape.head_dim; ++d)
            s += q[static_cast<size_t>(h * shape.head_dim + d)] * at(kv.k, p, d);
          scores.push_back(std::exp(s * shape.scale));
          sum += scores.back();
        }
        for (int d = 0; d < shape.head_dim; ++d) {
          double o = 0;
          for (int p = first; p <= position; ++p)
            o += scores[static_cast<size_t>(p - first)] / sum * at(kv.v, p, d);
          const float got = out[static_cast<size_t>(h * shape.head_dim + d)];
          if (!(std::abs(got - o) <= 2e-5))
            FAIL() << "position " << position << ": " << got << " against " << o;
        }
      }
    }
  }
}

TEST_P(EveryIsa, AttentionOfManyRowsIsThatOfEachAlone) {
  for (const AttentionShape shape :
       {AttentionShape{9, 3, 64, 0, 0.125F}, AttentionShape{4, 4, 16, 0, 0.25F},
        AttentionShape{26, 2, 16, 0, 0.2F}, AttentionShape{10, 2, 48, 40, 0.2F}}) {
    const KvFixture kv(ops(), shape, 1100);
    const auto d_q = static_cast<size_t>(shape.n_heads * shape.head_dim);
    for (int rows : {1, 2, 3, 5, 13, 70}) {
      const auto q = RandomFloats(static_cast<size_t>(rows) * d_q, 34);
      for (int position : {0, 30, 500, 1020}) {
        std::vector<float> got(q.size());
        std::vector<float> want(q.size());
        ops().attention(shape, kv.view, position, rows, {0, shape.n_kv_heads}, q.data(), got.data());
        for (size_t r = 0; r < static_cast<size_t>(rows); ++r) {
          ops().attention(shape, kv.view, position + static_cast<int>(r), 1, {0, shape.n_kv_heads},
                          &q[r * d_q], &want[r * d_q]);
        }
        ASSERT_EQ(std::memcmp(got.data(), want.data(), got.size() * 4), 0) << rows << " rows at " << position;
      }
    }
  }
}

}  // namespace
}  // namespace exeunt::cpu
