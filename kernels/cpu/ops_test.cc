// The kernels against naive loops in double, and every instruction set against the scalar one, bit for bit.
#include "kernels/cpu/ops.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>

#include "kernels/block_codes.h"
#include "kernels/cpu/quant_rows.h"
#include "kernels/dequantize.h"
#include "kernels/quantize.h"
#include "kernels/testing/ops_testing.h"

namespace exeunt::cpu {
namespace {

void PutHalf(std::byte* p, float value) {
  const uint16_t h = FloatToHalf(value);
  std::memcpy(p, &h, 2);
}

// Rows of a valid matrix of `type`: random bits everywhere, sane scales.
std::vector<std::byte> RandomMatrix(DType type, int n, int k, uint32_t seed) {
  std::mt19937 rng(seed);
  std::vector<std::byte> bytes(RowBytes(type, static_cast<size_t>(k)) * static_cast<size_t>(n));
  for (auto& b : bytes) b = static_cast<std::byte>(rng() & 255U);
  std::uniform_real_distribution<float> scale(-0.02F, 0.02F);
  const auto block = static_cast<size_t>(Info(type).block_bytes);
  for (size_t at = 0; at < bytes.size(); at += block) {
    std::byte* p = bytes.data() + at;
    const float value = scale(rng) * 10;
    if (IsQuantised(type)) {
      PutHalf(p + Codes(type).d_at, scale(rng));
      if (Codes(type).has_minimum) PutHalf(p + Codes(type).dmin_at, scale(rng));
    } else {
      const std::vector<std::byte> element = QuantizeRow(type, {&value, 1});
      std::copy(element.begin(), element.end(), p);
    }
  }
  return bytes;
}

// Rows of a matmul, quantised as the kernels of `ops` want them.
struct Input {
  Input(const Ops& ops, std::vector<float> floats, int rows, int split, int k)
      : x(std::move(floats)), quantised(static_cast<size_t>(rows) * QuantRowBytes(k)) {
    for (int r = 0; k % 32 == 0 && r < rows; ++r) {
      const RowTile tile = TileOf(r, rows, split, ops.row_tile);
      uint8_t* at = quantised.data() + static_cast<size_t>(tile.first) * QuantRowBytes(k);
      ops.quantize(&x[static_cast<size_t>(r * k)], k, 0, {at, tile.rows, r - tile.first});
    }
    view = {rows, split, x.data(), quantised.data()};
  }
  Input(const Ops& ops, int rows, int k, uint32_t seed, int split = 0)
      : Input(ops, RandomFloats(static_cast<size_t>(rows) * static_cast<size_t>(k), seed), rows, split, k) {}
  std::vector<float> x;
  std::vector<uint8_t> quantised;
  MatmulInput view;
};

// One row on its own, quantised by the scalar kernels.
struct QuantisedRow {
  explicit QuantisedRow(const float* x, int k) : bytes(QuantRowBytes(k)) {
    OpsFor(Isa::kScalar).quantize(x, k, 0, {bytes.data(), 1, 0});
  }
  const QuantBlock<1>& block(int i) const { return reinterpret_cast<const QuantBlock<1>*>(bytes.data())[i]; }
  double value(int i) const { return double{block(i / 32).d[0]} * block(i / 32).q[0][i % 32]; }
  std::vector<uint8_t> bytes;
};

MatmulOutput Into(std::vector<float>* out, int n) { return {out->data(), static_cast<size_t>(n), false}; }

INSTANTIATE_TEST_SUITE_P(Cpu, EveryIsa, testing::ValuesIn(SupportedIsas()), NameOfIsa);

TEST(IsaTest, WhatThisCpuCannotRunIsNamed) {
  for (Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512}) {
    const auto isas = SupportedIsas();
    if (std::find(isas.begin(), isas.end(), isa) == isas.end()) {
      std::cout << "SKIPPED on this CPU: kernels of " << IsaName(isa) << "\n";
    }
  }
  EXPECT_EQ(SupportedIsas().front(), Isa::kScalar);
}

TEST_P(EveryIsa, PackedRowsReadBackAsTheReferenceDequantisesThem) {
  for (DType type : kAllDTypes) {
    const int k = 512;
    const int n = 21;
    const auto bytes = RandomMatrix(type, n, k, 7);
    PackedArena arena;
    PackedMatrix w(type, n, k, &arena);
    w.PackRows(0, 10, bytes.data());
    w.PackRows(10, n - 10, bytes.data() + 10 * RowBytes(type, k));
    std::vector<float> want(k);
    std::vector<float> got(k);
    for (int row = 0; row < n; ++row) {
      DequantizeRow(type, bytes.data() + static_cast<size_t>(row) * RowBytes(type, k), want.data(), k);
      w.UnpackRow(row, got.data());
      for (size_t i = 0; i < k; ++i)
        ASSERT_EQ(got[i], want[i]) << Info(type).name << " row " << row << " k " << i;
    }
  }
}

TEST(PackedMatrixTest, TakesLittleMoreThanTheFile) {
  for (DType type : kAllDTypes) {
    PackedArena arena;
    const PackedMatrix w(type, 64, 1024, &arena);
    const auto file = static_cast<double>(64 * RowBytes(type, 1024));
    EXPECT_GE(static_cast<double>(w.bytes()), file) << Info(type).name;
    EXPECT_LE(static_cast<double>(w.bytes()), 1.15 * file) << Info(type).name;
  }
}

// Tolerance: the sum of n products in F32 errs by at most n * 2^-24 times the sum of magnitudes
// (Higham, 3.1); an eighth of that bound is far above what random signs give and far below any wrong index or
// scale.
TEST_P(EveryIsa, MatmulMatchesADoubleLoopForEveryTypeAndRemainder) {
  for (DType type : kAllDTypes) {
    const int k = Info(type).block_elements == 256 ? 512 : 96;
    for (int n : {1, 15, 16, 17, 50, 64}) {
      const auto bytes = RandomMatrix(type, n, k, static_cast<uint32_t>(n));
      PackedArena arena;
      PackedMatrix w(type, n, k, &arena);
      w.PackRows(0, n, bytes.data());
      for (int rows : {1, 2, 3, 4, 5, 7, 8, 9, 17}) {
        const Input in(ops(), rows, k, 3);
        std::vector<float> out(static_cast<size_t>(rows * n) + 16, 42.0F);
        ops().matmul(w, in.view, Into(&out, n), 0, w.groups());
        std::vector<QuantisedRow> quantised;
        for (int r = 0; r < rows; ++r) quantised.emplace_back(&in.x[static_cast<size_t>(r * k)], k);
        std::vector<float> weights(static_cast<size_t>(k));
        for (int c = 0; c < n; ++c) {
          w.UnpackRow(c, weights.data());
          for (int r = 0; r < rows; ++r) {
            double sum = 0;
            double magnitude = 0;
            for (int i = 0; i < k; ++i) {
              const auto at = static_cast<size_t>(r * k + i);
              const double x =
                  IsQuantised(type) ? quantised[static_cast<size_t>(r)].value(i) : double{in.x[at]};
              sum += x * weights[static_cast<size_t>(i)];
              magnitude += std::abs(x * weights[static_cast<size_t>(i)]);
            }
            // Formats with a minimum subtract two larger sums: their magnitudes count, not the difference's.
            const double spread = Codes(type).has_minimum ? 64 : 4;
            const double error = std::abs(sum - double{out[static_cast<size_t>(r * n + c)]});
            if (!(error <= spread * magnitude * k / 8 * 0x1p-24)) {
              FAIL() << Info(type).name << " n " << n << " rows " << rows << " row " << r << " column " << c
                     << ": " << out[static_cast<size_t>(r * n + c)] << " against " << sum;
            }
          }
        }
        for (size_t i = static_cast<size_t>(rows * n); i < out.size(); ++i) ASSERT_EQ(out[i], 42.0F);
      }
    }
  }
}

TEST_P(EveryIsa, MatmulBitsDoNotDependOnRowsNeighboursOrInstructionSet) {
  for (DType type : kAllDTypes) {
    const int k = 768;
    const int n = 70;
    const int rows = 19;
    const auto bytes = RandomMatrix(type, n, k, 11);
    PackedArena arena;
    PackedMatrix w(type, n, k, &arena);
    w.PackRows(0, n, bytes.data());
    const Input scalar_in(OpsFor(Isa::kScalar), rows, k, 5);
    std::vector<float> want(static_cast<size_t>(rows * n));
    std::vector<float> got(want.size());
    OpsFor(Isa::kScalar).matmul(w, scalar_in.view, Into(&want, n), 0, w.groups());
    for (int split : {0, 1, 6, 8, 13, rows}) {
      const Input in(ops(), rows, k, 5, split);
      ops().matmul(w, in.view, Into(&got, n), 0, w.groups());
      ASSERT_EQ(std::memcmp(want.data(), got.data(), want.size() * 4), 0) << Info(type).name << " " << split;
      // The front rows alone; what was there is added to.
      std::fill(got.begin(), got.end(), 1.0F);
      MatmulInput front = in.view;
      front.rows = split;
      MatmulOutput add = Into(&got, n);
      add.add = true;
      ops().matmul(w, front, add, 0, w.groups());
      for (size_t i = 0; i < got.size(); ++i) {
        ASSERT_EQ(got[i], i < static_cast<size_t>(split * n) ? 1.0F + want[i] : 1.0F) << Info(type).name;
      }
    }
    for (int r = 0; r < rows; ++r) {  // one row, one group at a time
      const auto at = scalar_in.x.begin() + r * k;
      const Input one(ops(), {at, at + k}, 1, 0, k);
      std::vector<float> alone(static_cast<size_t>(n));
      for (int g = 0; g < w.groups(); ++g) ops().matmul(w, one.view, Into(&alone, n), g, g + 1);
      ASSERT_EQ(std::memcmp(alone.data(), &want[static_cast<size_t>(r * n)], alone.size() * 4), 0)
          << Info(type).name;
    }
  }
}

TEST_P(EveryIsa, GateAndUpInOneGoAreTheMatmulThenSwiGlu) {
  for (DType type : kAllDTypes) {
    const int k = 256;
    const int d_ff = 48;
    const auto bytes = RandomMatrix(type, 2 * d_ff, k, 12);
    PackedArena arena;
    PackedMatrix w(type, 2 * d_ff, k, &arena);
    w.PackRows(0, 2 * d_ff, bytes.data());
    for (int rows : {1, 3, 8, 15}) {
      const Input in(ops(), rows, k, 13);
      std::vector<float> both(static_cast<size_t>(rows * 2 * d_ff));
      std::vector<float> want(static_cast<size_t>(rows * d_ff));
      std::vector<float> got(want.size(), 42.0F);
      ops().matmul(w, in.view, Into(&both, 2 * d_ff), 0, w.groups());
      for (int i = 0; i < rows * d_ff / 16; ++i) {
        const float* gate = &both[static_cast<size_t>(32 * i)];
        ops().swiglu(gate, gate + 16, 16, &want[static_cast<size_t>(16 * i)]);
      }
      ops().gate_up(w, in.view, Into(&got, d_ff), 0, 2);
      ops().gate_up(w, in.view, Into(&got, d_ff), 2, 3);
      ASSERT_EQ(std::memcmp(want.data(), got.data(), want.size() * 4), 0) << Info(type).name << " " << rows;
    }
  }
}

TEST_P(EveryIsa, ElementwiseOpsGiveTheScalarBitsForEveryLength) {
  const Ops& reference = OpsFor(Isa::kScalar);
  for (int n = 1; n <= 40; ++n) {
    const auto size = static_cast<size_t>(n);
    const auto a = RandomFloats(size, 1, 3.0F);
    const auto b = RandomFloats(size, 2, 3.0F);
    const auto same = [&](const char* what, auto run) {
      std::vector<float> want(size + 1, 9.0F);
      std::vector<float> got(size + 1, 9.0F);
      run(reference, want.data());
      run(ops(), got.data());
      ASSERT_EQ(std::memcmp(want.data(), got.data(), want.size() * 4), 0) << what << " " << n;
      ASSERT_EQ(got.back(), 9.0F) << what;
    };
    same("rms_norm", [&](const Ops& o, float* y) { o.rms_norm(a.data(), b.data(), n, 1e-5F, y); });
    same("swiglu", [&](const Ops& o, float* y) { o.swiglu(a.data(), b.data(), n, y); });
    same("add", [&](const Ops& o, float* y) { o.add(a.data(), n, y); });
    same("dot", [&](const Ops& o, float* y) { *y = o.dot(a.data(), b.data(), n); });
    same("group_max", [&](const Ops& o, float* y) { o.group_max(a.data(), n / kGroupColumns, y); });
    same("exp_scaled", [&](const Ops& o, float* y) { o.exp_scaled(a.data(), n, 0.5F, 0.7F, y); });
    const VocabStats want = reference.vocab_stats(a.data(), 0, n);
    const VocabStats got = ops().vocab_stats(a.data(), 0, n);
    ASSERT_EQ(std::memcmp(&want, &got, sizeof want), 0);
  }
}

TEST_P(EveryIsa, QuantisedRowsAreWithinHalfAStepAndEqualTheScalarOnes) {
  const int n = 320;
  auto x = RandomFloats(n, 8, 2.0F);
  std::fill(x.begin() + 64, x.begin() + 96, 0.0F);  // a block of zeros
  std::vector<uint8_t> bytes(QuantRowBytes(n));
  ops().quantize(x.data(), 96, 0, {bytes.data(), 1, 0});  // in two pieces
  ops().quantize(x.data() + 96, n - 96, 3, {bytes.data(), 1, 0});
  const QuantisedRow row(x.data(), n);
  EXPECT_EQ(bytes, row.bytes);
  for (int i = 0; i < n; ++i) {
    const QuantBlock<1>& block = row.block(i / 32);
    EXPECT_LE(std::abs(x[static_cast<size_t>(i)] - row.value(i)), block.d[0] * 0.5001F);
    if (i % 32 != 0) continue;
    int32_t low = 0;
    int32_t high = 0;
    for (int j = 0; j < 16; ++j) {
      low += block.q[0][j];
      high += block.q[0][16 + j];
    }
    EXPECT_EQ(block.ds[0], block.d[0] * static_cast<float>(low + high));
    EXPECT_EQ(block.n128[0], -128 * (low + high));
    EXPECT_EQ(block.n32[0][0], -32 * low);
    EXPECT_EQ(block.n32[1][0], -32 * high);
  }
}

TEST(ExpTest, IsWithinTwoUlpOfTheTruthWhereItIsNotClamped) {
  for (float x = -86.9F; x < 88.0F; x += 0.0371F) {
    const double want = std::exp(double{x});
    EXPECT_LE(std::abs(Exp(x) - want), want * 3e-7) << x;
  }
  EXPECT_GT(Exp(-1000.0F), 0.0F);
  EXPECT_LT(Exp(-1000.0F), 1e-37F);
  EXPECT_TRUE(std::isnan(Exp(NAN)));
}

TEST_P(EveryIsa, VocabStatsOverChunksEqualTheNaiveSoftmax) {
  const int n = 5 * kVocabChunk + 77;
  auto logits = RandomFloats(static_cast<size_t>(n), 21, 4.0F);
  logits[700] = logits[900] = 30.0F;  // a tie in one chunk, and with 1600 across chunks: the lowest id wins
  logits[1600] = 30.0F;
  std::vector<VocabStats> chunks;
  for (int begin = 0; begin < n; begin += kVocabChunk) {
    chunks.push_back(ops().vocab_stats(logits.data(), begin, std::min(n, begin + kVocabChunk)));
  }
  const VocabStats all = ops().merge_vocab_stats(chunks.data(), static_cast<int>(chunks.size()));
  const VocabStats scalar =
      OpsFor(Isa::kScalar).merge_vocab_stats(chunks.data(), static_cast<int>(chunks.size()));
  EXPECT_EQ(std::memcmp(&all, &scalar, sizeof all), 0);
  double sum = 0;
  for (float x : logits) sum += std::exp(double{x} - 30.0);
  EXPECT_EQ(all.argmax, 700);
  EXPECT_EQ(all.top1, 30.0F);
  EXPECT_EQ(all.top2, 30.0F);
  EXPECT_NEAR(all.sum_exp, sum, sum * 1e-6);
}

TEST_P(EveryIsa, RopeRotatesPairs) {
  for (size_t dim : {16U, 32U, 48U}) {
    const auto x = RandomFloats(dim, 4);
    std::vector<float> c(dim / 2), s(dim / 2);
    for (size_t i = 0; i < dim / 2; ++i) {
      c[i] = std::cos(0.1F * static_cast<float>(i + 1));
      s[i] = std::sin(0.1F * static_cast<float>(i + 1));
    }
    for (const bool by_halves : {false, true}) {
      std::vector<float> cos(dim), sin(dim);
      auto rotated = x;
      const auto pair = [&](size_t i) {
        return by_halves ? std::pair{i, i + dim / 2} : std::pair{2 * i, 2 * i + 1};
      };
      for (size_t i = 0; i < dim / 2; ++i) {
        const auto [a, b] = pair(i);
        cos[a] = cos[b] = c[i];
        sin[a] = -s[i];
        sin[b] = s[i];
      }
      (by_halves ? ops().rope_halves : ops().rope_interleaved)(rotated.data(), cos.data(), sin.data(),
                                                               static_cast<int>(dim));
      for (size_t i = 0; i < dim / 2; ++i) {
        const auto [a, b] = pair(i);
        EXPECT_EQ(rotated[a], x[a] * c[i] - x[b] * s[i]);
        EXPECT_EQ(rotated[b], x[a] * s[i] + x[b] * c[i]);
      }
    }
  }
}

}  // namespace
}  // namespace exeunt::cpu
