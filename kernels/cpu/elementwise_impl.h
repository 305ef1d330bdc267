// Exp, norms, activations, RoPE, quantisation and vocabulary statistics, written once over the vector V.
// Included by the per-instruction-set translation units only.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/ops.h"

namespace exeunt::cpu {
namespace {

// exp(x) = 2^n * p(r), n = round(x / ln 2), r = x - n ln 2 in two steps (Cody-Waite), p of degree 6 (Taylor,
// on |r| <= ln(2)/2 its relative error is below 2e-7). x is clamped to [-87, 88]; NaN stays NaN.
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

// Calls body(index, lanes) over [0, n) in vectors; the last may have fewer than 16 lanes.
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

template <class V>
void SwiGlu(const float* gate, const float* up, int n, float* y) {
  ForVectors(n, [&](int i, int lanes) {
    const auto g = LoadLanes<V>(gate + i, lanes);
    const auto sigmoid_inverse = V::Add(V::Set1(1.0F), ExpV<V>(V::Sub(V::Zero(), g)));
    StoreLanes<V>(y + i, V::Mul(V::Div(g, sigmoid_inverse), LoadLanes<V>(up + i, lanes)), lanes);
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
void QuantizeRow(const float* x, int n, int8_t* q, float* d, int32_t* sum16) {
  for (int block = 0; block < n / 32; ++block) {
    const auto x0 = V::Load(x + 32 * block);
    const auto x1 = V::Load(x + 32 * block + 16);
    const float amax = V::ReduceMax(V::Max(V::Abs(x0), V::Abs(x1)));
    const auto inverse = V::Set1(amax > 0.0F ? 127.0F / amax : 0.0F);
    const auto q0 = V::ToInt(V::Mul(x0, inverse));
    const auto q1 = V::ToInt(V::Mul(x1, inverse));
    V::StoreS8(q + 32 * block, q0);
    V::StoreS8(q + 32 * block + 16, q1);
    d[block] = amax / 127.0F;
    sum16[2 * block] = V::ReduceAddInt(q0);
    sum16[2 * block + 1] = V::ReduceAddInt(q1);
  }
}

inline void RotatePair(float* a, float* b, float cos, float sin) {
  const float x = *a;
  const float y = *b;
  *a = x * cos - y * sin;
  *b = x * sin + y * cos;
}

template <class V>
void RopeInterleaved(float* x, const float* cos, const float* sin, int head_dim) {
  for (int i = 0; i < head_dim / 2; ++i) RotatePair(x + 2 * i, x + 2 * i + 1, cos[i], sin[i]);
}

template <class V>
void RopeHalves(float* x, const float* cos, const float* sin, int head_dim) {
  for (int i = 0; i < head_dim / 2; ++i) RotatePair(x + i, x + i + head_dim / 2, cos[i], sin[i]);
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
    const auto x = LoadLanes<V>(logits + begin + i, lanes);
    float kept[16] = {};  // lanes past the end add nothing
    StoreLanes<V>(kept, ExpV<V>(V::Sub(x, V::Set1(s.top1))), lanes);
    acc = V::Add(acc, V::Load(kept));
  });
  s.sum_exp = V::ReduceAdd(acc);
  return s;
}

}  // namespace
}  // namespace exeunt::cpu
