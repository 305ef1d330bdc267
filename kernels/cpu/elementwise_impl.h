// Exp, norms, activations, RoPE, quantisation and vocabulary statistics, written once over the vector V. Only
// the per-instruction-set translation units include this header.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/ops.h"
#include "kernels/cpu/quant_rows.h"

namespace exeunt::cpu {
namespace {

// exp(x) = 2^n * p(r), with n = round(x / ln 2) and r = x - n ln 2 in two steps (Cody-Waite). p is the Taylor
// polynomial of degree 6. Its relative error is below 2e-7 on |r| <= ln(2)/2. x is clamped to [-87, 88]. NaN
// stays NaN.
template <class V>
typename V::F ExpV(typename V::F x) {
  x = V::Max(V::Set1(-87.0F), V::Min(V::Set1(88.0F), x));
  const auto n = V::ToInt(V::Mul(x, V::Set1(1.44269504F)));
  const auto nf = V::FromInt(n);
  auto r = V::Fma(nf, V::Set1(-0.693359375F), x);
  r = V::Fma(nf, V::Set1(2.12194440e-4F), r);
  auto p = V::Set1(1.0F / 720.0F);
  p = V::Fma(p, r, V::Set1(1.0F / 120.0F));
  p = V::Fma(p, r, V::Set1(1.0F / 24.0F));
  p = V::Fma(p, r, V::Set1(1.0F / 6.0F));
  p = V::Fma(p, r, V::Set1(0.5F));
  p = V::Fma(p, r, V::Set1(1.0F));
  p = V::Fma(p, r, V::Set1(1.0F));
  return V::Mul(p, V::Exp2Int(n));
}

// Calls body(index, lanes) over [0, n) in vectors. The last vector may have fewer than 16 lanes.
template <typename Body>
void ForVectors(int n, Body body) {
  int i = 0;
  for (; i + 16 <= n; i += 16) body(i, 16);
  if (i < n) body(i, n - i);
}

template <class V>
typename V::F LoadLanes(const float* p, int lanes) {
  return lanes == 16 ? V::Load(p) : V::LoadN(p, lanes);
}
template <class V>
void StoreLanes(float* p, typename V::F x, int lanes) {
  if (lanes == 16) {
    V::Store(p, x);
  } else {
    V::StoreN(p, x, lanes);
  }
}

template <class V>
float Dot(const float* a, const float* b, int n) {
  auto acc = V::Zero();
  ForVectors(n, [&](int i, int lanes) {
    acc = V::Fma(LoadLanes<V>(a + i, lanes), LoadLanes<V>(b + i, lanes), acc);
  });
  return V::ReduceAdd(acc);
}

template <class V>
void RmsNorm(const float* x, const float* weight, int n, float eps, float* y) {
  const float scale = 1.0F / __builtin_sqrtf(Dot<V>(x, x, n) / static_cast<float>(n) + eps);
  ForVectors(n, [&](int i, int lanes) {
    const auto scaled = V::Mul(LoadLanes<V>(x + i, lanes), V::Set1(scale));
    StoreLanes<V>(y + i, V::Mul(scaled, LoadLanes<V>(weight + i, lanes)), lanes);
  });
}

template <class V>
void Add(const float* x, int n, float* y) {
  ForVectors(n, [&](int i, int lanes) {
    StoreLanes<V>(y + i, V::Add(LoadLanes<V>(y + i, lanes), LoadLanes<V>(x + i, lanes)), lanes);
  });
}

// Returns silu(gate) * up.
template <class V>
typename V::F SwiGluV(typename V::F gate, typename V::F up) {
  const auto sigmoid_inverse = V::Add(V::Set1(1.0F), ExpV<V>(V::Sub(V::Zero(), gate)));
  return V::Mul(V::Div(gate, sigmoid_inverse), up);
}

template <class V>
void SwiGlu(const float* gate, const float* up, int n, float* y) {
  ForVectors(n, [&](int i, int lanes) {
    StoreLanes<V>(y + i, SwiGluV<V>(LoadLanes<V>(gate + i, lanes), LoadLanes<V>(up + i, lanes)), lanes);
  });
}

template <class V>
void ExpScaled(const float* x, int n, float shift, float scale, float* y) {
  ForVectors(n, [&](int i, int lanes) {
    const auto shifted = V::Sub(LoadLanes<V>(x + i, lanes), V::Set1(shift));
    StoreLanes<V>(y + i, ExpV<V>(V::Mul(shifted, V::Set1(scale))), lanes);
  });
}

template <class V>
void GroupMax(const float* x, int groups, float* max) {
  for (int g = 0; g < groups; ++g) max[g] = V::ReduceMax(V::Load(x + g * kGroupColumns));
}

template <class V>
void Quantize(const float* x, int n, int block, const QuantSlot& slot) {
  const auto rows = static_cast<size_t>(slot.tile_rows);
  const auto row = static_cast<size_t>(slot.row);
  uint8_t* p = slot.tile + static_cast<size_t>(block) * rows * kQuantBlockBytes;
  for (int i = 0; i < n; i += 32, p += rows * kQuantBlockBytes) {
    // The members of QuantBlock<rows>, in order.
    auto* q = reinterpret_cast<int8_t*>(p) + 32 * row;
    auto* d = reinterpret_cast<float*>(p + 32 * rows) + row;
    float* ds = d + rows;
    auto* n128 = reinterpret_cast<int32_t*>(ds + rows);
    int32_t* n32 = n128 + rows;
    const auto x0 = V::Load(x + i);
    const auto x1 = V::Load(x + i + 16);
    const float amax = V::ReduceMax(V::Max(V::Abs(x0), V::Abs(x1)));
    const auto inverse = V::Set1(amax > 0.0F ? 127.0F / amax : 0.0F);
    const auto q0 = V::ToInt(V::Mul(x0, inverse));
    const auto q1 = V::ToInt(V::Mul(x1, inverse));
    V::StoreS8(q, q0);
    V::StoreS8(q + 16, q1);
    const int32_t sum0 = V::ReduceAddInt(q0);
    const int32_t sum1 = V::ReduceAddInt(q1);
    *d = amax / 127.0F;
    *ds = *d * static_cast<float>(sum0 + sum1);
    *n128 = -128 * (sum0 + sum1);
    n32[0] = -32 * sum0;
    n32[rows] = -32 * sum1;
  }
}

// y_i = x_i cos_i + x_partner(i) sin_i. The sign of sin belongs to the lane.
template <class V>
void RopeInterleaved(float* x, const float* cos, const float* sin, int head_dim) {
  for (int i = 0; i < head_dim; i += 16) {
    const auto v = V::Load(x + i);
    V::Store(x + i, V::Add(V::Mul(v, V::Load(cos + i)), V::Mul(V::SwapPairs(v), V::Load(sin + i))));
  }
}

template <class V>
void RopeHalves(float* x, const float* cos, const float* sin, int head_dim) {
  const int half = head_dim / 2;
  ForVectors(half, [&](int i, int lanes) {
    const auto a = LoadLanes<V>(x + i, lanes);
    const auto b = LoadLanes<V>(x + half + i, lanes);
    const auto c = LoadLanes<V>(cos + i, lanes);  // the same in both halves
    const auto rotated_a = V::Add(V::Mul(a, c), V::Mul(b, LoadLanes<V>(sin + i, lanes)));
    const auto rotated_b = V::Add(V::Mul(b, c), V::Mul(a, LoadLanes<V>(sin + half + i, lanes)));
    StoreLanes<V>(x + i, rotated_a, lanes);
    StoreLanes<V>(x + half + i, rotated_b, lanes);
  });
}

template <class V>
float MaxOf(const float* x, int begin, int end) {
  float most = -__builtin_inff();
  int i = begin;
  if (end - begin >= 16) {
    auto m = V::Load(x + i);
    for (i += 16; i + 16 <= end; i += 16) m = V::Max(m, V::Load(x + i));
    most = V::ReduceMax(m);
  }
  for (; i < end; ++i) most = x[i] > most ? x[i] : most;
  return most;
}

template <class V>
VocabStats ComputeVocabStats(const float* logits, int begin, int end) {
  VocabStats s;
  s.top1 = MaxOf<V>(logits, begin, end);
  s.argmax = begin;
  for (int i = begin; i < end; ++i) {
    if (logits[i] == s.top1) {
      s.argmax = i;
      break;
    }
  }
  const float before = MaxOf<V>(logits, begin, s.argmax);
  const float after = MaxOf<V>(logits, s.argmax + 1, end);
  s.top2 = before > after ? before : after;
  auto acc = V::Zero();
  ForVectors(end - begin, [&](int i, int lanes) {
    const auto e = ExpV<V>(V::Sub(LoadLanes<V>(logits + begin + i, lanes), V::Set1(s.top1)));
    acc = V::Add(acc, lanes == 16 ? e : V::KeepLanes(e, 0, lanes, 0.0F));  // lanes past the end add nothing
  });
  s.sum_exp = V::ReduceAdd(acc);
  return s;
}

template <class V>
VocabStats MergeVocabStats(const VocabStats* chunks, int n) {
  VocabStats all = chunks[0];
  for (int c = 1; c < n; ++c) {
    const VocabStats& s = chunks[c];
    if (s.top1 > all.top1) {
      all.top2 = all.top1 > s.top2 ? all.top1 : s.top2;
      all.top1 = s.top1;
      all.argmax = s.argmax;
    } else {
      all.top2 = all.top2 > s.top1 ? all.top2 : s.top1;
    }
  }
  auto acc = V::Zero();
  ForVectors(n, [&](int i, int lanes) {
    float top[16] = {};
    float sum[16] = {};
    for (int j = 0; j < lanes; ++j) {
      top[j] = chunks[i + j].top1;
      sum[j] = chunks[i + j].sum_exp;
    }
    acc = V::Fma(V::Load(sum), ExpV<V>(V::Sub(V::Load(top), V::Set1(all.top1))), acc);
  });
  all.sum_exp = V::ReduceAdd(acc);
  return all;
}

}  // namespace
}  // namespace exeunt::cpu
