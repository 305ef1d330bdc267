// The 16-lane vector over AVX2, FMA and F16C, in two registers of eight lanes. vec_scalar.h has the contract.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace exeunt::cpu {
namespace {

struct VecAvx2 {
  static constexpr int kRowTile = 4;
  static constexpr int kFloatRows = 2;
  static constexpr int kFloatGroups = 2;
  static constexpr int kValueVectors = 2;
  static constexpr int kQueries = 4;
  struct F {
    __m256 a, b;
  };
  struct I {
    __m256i a, b;
  };
  struct B {
    __m256i a, b;
  };

  static F Set1(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static F Zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static F Load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static F LoadN(const float* p, int n) {
    float t[16] = {};
    for (int i = 0; i < n; ++i) t[i] = p[i];
    return Load(t);
  }
  static void Store(float* p, F x) {
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
  }
  static void StoreN(float* p, F x, int n) {
    float t[16];
    Store(t, x);
    for (int i = 0; i < n; ++i) p[i] = t[i];
  }
  static __m256 InRange(int first, int from, int to) {  // lanes first .. first + 7
    const __m256i lane =
        _mm256_add_epi32(_mm256_set1_epi32(first), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    const __m256i above = _mm256_cmpgt_epi32(lane, _mm256_set1_epi32(from - 1));
    return _mm256_castsi256_ps(_mm256_and_si256(above, _mm256_cmpgt_epi32(_mm256_set1_epi32(to), lane)));
  }
  static F KeepLanes(F x, int from, int to, float fill) {
    const __m256 f = _mm256_set1_ps(fill);
    return {_mm256_blendv_ps(f, x.a, InRange(0, from, to)), _mm256_blendv_ps(f, x.b, InRange(8, from, to))};
  }
  static F SwapPairs(F x) { return {_mm256_permute_ps(x.a, 0xB1), _mm256_permute_ps(x.b, 0xB1)}; }
  static F Add(F x, F y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
  static F Sub(F x, F y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
  static F Mul(F x, F y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
  static F Div(F x, F y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
  static F Max(F x, F y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
  static F Min(F x, F y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
  static F Abs(F x) {
    const __m256 mask = _mm256_castsi256_ps(_mm256_set1_epi32(0x7FFFFFFF));
    return {_mm256_and_ps(x.a, mask), _mm256_and_ps(x.b, mask)};
  }
  static F Fma(F x, F y, F z) { return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)}; }
  static I ToInt(F x) { return {_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b)}; }
  static F FromInt(I x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
  static F Exp2Int(I n) {
    const __m256i bias = _mm256_set1_epi32(127);
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n.a, bias), 23)),
            _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n.b, bias), 23))};
  }
  static __m128i Load16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  static F FromHalf(const uint16_t* p) {
    return {_mm256_cvtph_ps(Load16(p)), _mm256_cvtph_ps(Load16(p + 8))};
  }
  static __m256 Bf16Half(__m128i x) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
  }
  static F FromBf16(const uint16_t* p) { return {Bf16Half(Load16(p)), Bf16Half(Load16(p + 8))}; }
  static F FromBytes(__m128i x) {
    return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(x)),
            _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(x, 8)))};
  }
  static F FromU8(const uint8_t* p) { return FromBytes(Load16(p)); }
  static F FromS8(const int8_t* p) {
    const __m128i x = Load16(p);
    return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(x)),
            _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(x, 8)))};
  }
  static F FromLowNibbles(const uint8_t* p) { return FromBytes(_mm_and_si128(Load16(p), _mm_set1_epi8(15))); }
  static F FromHighNibbles(const uint8_t* p) {
    return FromBytes(_mm_and_si128(_mm_srli_epi16(Load16(p), 4), _mm_set1_epi8(15)));
  }
  static void ToHalf(uint16_t* p, F x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(x.a, _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8), _mm256_cvtps_ph(x.b, _MM_FROUND_TO_NEAREST_INT));
  }
  static float ReduceAdd(F x) {
    const __m256 s8 = _mm256_add_ps(x.a, x.b);
    const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
    const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
    return _mm_cvtss_f32(_mm_add_ss(s2, _mm_shuffle_ps(s2, s2, 1)));
  }
  static float ReduceMax(F x) {
    const __m256 s8 = _mm256_max_ps(x.a, x.b);
    const __m128 s4 = _mm_max_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
    const __m128 s2 = _mm_max_ps(s4, _mm_movehl_ps(s4, s4));
    return _mm_cvtss_f32(_mm_max_ss(s2, _mm_shuffle_ps(s2, s2, 1)));
  }

  static I SetInt(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
  static I AddInt(I x, I y) { return {_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)}; }
  static int32_t ReduceAddInt(I x) {
    alignas(32) int32_t t[8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(t), _mm256_add_epi32(x.a, x.b));
    return t[0] + t[1] + t[2] + t[3] + t[4] + t[5] + t[6] + t[7];
  }
  static void StoreS8(int8_t* p, I x) {
    const __m256i w = _mm256_permute4x64_epi64(_mm256_packs_epi32(x.a, x.b), 0xD8);
    const __m128i b = _mm_packs_epi16(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), b);
  }

  static B LoadB(const uint8_t* p) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32))};
  }
  static B AndB(B x, __m256i mask) { return {_mm256_and_si256(x.a, mask), _mm256_and_si256(x.b, mask)}; }
  static B LowNibble(B x) { return AndB(x, _mm256_set1_epi8(15)); }
  static B HighNibble(B x) { return Bits<4, 15, 0>(x); }
  static B OrB(B x, B y) { return {_mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b)}; }
  template <int kShift, unsigned kMask, int kUp>
  static B Bits(B x) {
    // The shifts work on 16-bit lanes. The mask drops the bits that crossed a byte.
    const __m256i mask = _mm256_set1_epi8(static_cast<char>(kMask << kUp));
    if constexpr (kShift >= kUp) {
      return AndB({_mm256_srli_epi16(x.a, kShift - kUp), _mm256_srli_epi16(x.b, kShift - kUp)}, mask);
    } else {
      return AndB({_mm256_slli_epi16(x.a, kUp - kShift), _mm256_slli_epi16(x.b, kUp - kShift)}, mask);
    }
  }
  static B Table(const int8_t* values) {
    const __m128i biased = _mm_xor_si128(Load16(values), _mm_set1_epi8(static_cast<char>(0x80)));
    return {_mm256_broadcastsi128_si256(biased), _mm256_broadcastsi128_si256(biased)};
  }
  static B Lookup(B table, B index) {
    return {_mm256_shuffle_epi8(table.a, index.a), _mm256_shuffle_epi8(table.b, index.b)};
  }
  static __m256i Broadcast4(const int8_t* a) {
    int32_t x = 0;
    std::memcpy(&x, a, 4);
    return _mm256_set1_epi32(x);
  }
  // Pair sums of |w * a| stay within int16.
  static __m256i Dot8(__m256i acc, __m256i w, __m256i a) {
    return _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_maddubs_epi16(w, a), _mm256_set1_epi16(1)));
  }
  static I Dot(I acc, B w, const int8_t* a) {
    const __m256i b = Broadcast4(a);
    return {Dot8(acc.a, w.a, b), Dot8(acc.b, w.b, b)};
  }
  // Pairs of products as int16. Eight products of 2 * 16 * 127 fit, and four of 2 * 31 * 127.
  struct SmallDot {
    __m256i a, b;
  };
  static SmallDot SmallZero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
  static SmallDot DotSmall(SmallDot acc, B w, const int8_t* a) {
    const __m256i b = Broadcast4(a);
    return {_mm256_add_epi16(acc.a, _mm256_maddubs_epi16(w.a, b)),
            _mm256_add_epi16(acc.b, _mm256_maddubs_epi16(w.b, b))};
  }
  static I SmallSum(SmallDot x) {
    const __m256i ones = _mm256_set1_epi16(1);
    return {_mm256_madd_epi16(x.a, ones), _mm256_madd_epi16(x.b, ones)};
  }
  static I InitBiased(int32_t) { return SetInt(0); }
  static I DotBiased(I acc, B w, const int8_t* a) {
    const __m256i b = Broadcast4(a);
    const __m256i flip = _mm256_set1_epi8(static_cast<char>(0x80));
    const __m256i wa = _mm256_xor_si256(w.a, flip);
    const __m256i wb = _mm256_xor_si256(w.b, flip);
    return {Dot8(acc.a, _mm256_abs_epi8(wa), _mm256_sign_epi8(b, wa)),
            Dot8(acc.b, _mm256_abs_epi8(wb), _mm256_sign_epi8(b, wb))};
  }
};

}  // namespace
}  // namespace exeunt::cpu
