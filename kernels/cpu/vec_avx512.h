// The 16-lane vector over AVX-512 (F, BW, VL, DQ) with VNNI, in one register. vec_scalar.h has the contract.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace exeunt::cpu {
namespace {

struct VecAvx512 {
  static constexpr int kRowTile = 8;
  static constexpr int kFloatRows = 4;
  static constexpr int kFloatGroups = 3;
  static constexpr int kValueVectors = 4;
  static constexpr int kQueries = 12;
  using F = __m512;
  using I = __m512i;
  struct B {
    __m512i v;
  };

  static F Set1(float x) { return _mm512_set1_ps(x); }
  static F Zero() { return _mm512_setzero_ps(); }
  static F Load(const float* p) { return _mm512_loadu_ps(p); }
  static __mmask16 First(int n) { return static_cast<__mmask16>((1U << n) - 1U); }
  static F LoadN(const float* p, int n) { return _mm512_maskz_loadu_ps(First(n), p); }
  static void Store(float* p, F x) { _mm512_storeu_ps(p, x); }
  static void StoreN(float* p, F x, int n) { _mm512_mask_storeu_ps(p, First(n), x); }
  static uint32_t Below(int lane) { return lane <= 0 ? 0U : lane >= 16 ? 0xFFFFU : (1U << lane) - 1U; }
  static F KeepLanes(F x, int from, int to, float fill) {
    const auto kept = static_cast<__mmask16>(Below(to) & ~Below(from));
    return _mm512_mask_mov_ps(Set1(fill), kept, x);
  }
  static F SwapPairs(F x) { return _mm512_permute_ps(x, 0xB1); }
  static F Add(F x, F y) { return _mm512_add_ps(x, y); }
  static F Sub(F x, F y) { return _mm512_sub_ps(x, y); }
  static F Mul(F x, F y) { return _mm512_mul_ps(x, y); }
  static F Div(F x, F y) { return _mm512_div_ps(x, y); }
  static F Max(F x, F y) { return _mm512_max_ps(x, y); }
  static F Min(F x, F y) { return _mm512_min_ps(x, y); }
  static F Abs(F x) { return _mm512_abs_ps(x); }
  static F Fma(F x, F y, F z) { return _mm512_fmadd_ps(x, y, z); }
  static I ToInt(F x) { return _mm512_cvtps_epi32(x); }
  static F FromInt(I x) { return _mm512_cvtepi32_ps(x); }
  static F Exp2Int(I n) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(127)), 23));
  }
  static __m256i Load32(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static __m128i Load16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  static F FromHalf(const uint16_t* p) { return _mm512_cvtph_ps(Load32(p)); }
  static F FromBf16(const uint16_t* p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(Load32(p)), 16));
  }
  static F FromU8(const uint8_t* p) { return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(Load16(p))); }
  static F FromS8(const int8_t* p) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(Load16(p))); }
  static F FromLowNibbles(const uint8_t* p) {
    return FromInt(_mm512_and_si512(_mm512_cvtepu8_epi32(Load16(p)), _mm512_set1_epi32(15)));
  }
  static F FromHighNibbles(const uint8_t* p) {
    return FromInt(_mm512_srli_epi32(_mm512_cvtepu8_epi32(Load16(p)), 4));
  }
  static void ToHalf(uint16_t* p, F x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
  }
  static float ReduceAdd(F x) {
    const __m256 s8 = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
    const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
    return _mm_cvtss_f32(_mm_add_ss(s2, _mm_shuffle_ps(s2, s2, 1)));
  }
  static float ReduceMax(F x) {
    const __m256 s8 = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    const __m128 s4 = _mm_max_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
    const __m128 s2 = _mm_max_ps(s4, _mm_movehl_ps(s4, s4));
    return _mm_cvtss_f32(_mm_max_ss(s2, _mm_shuffle_ps(s2, s2, 1)));
  }

  static I SetInt(int32_t x) { return _mm512_set1_epi32(x); }
  static I AddInt(I x, I y) { return _mm512_add_epi32(x, y); }
  static int32_t ReduceAddInt(I x) { return _mm512_reduce_add_epi32(x); }
  static void StoreS8(int8_t* p, I x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(x));
  }

  static B LoadB(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
  static B LowNibble(B x) { return {_mm512_and_si512(x.v, _mm512_set1_epi8(15))}; }
  static B HighNibble(B x) { return Bits<4, 15, 0>(x); }
  static B OrB(B x, B y) { return {_mm512_or_si512(x.v, y.v)}; }
  template <int kShift, unsigned kMask, int kUp>
  static B Bits(B x) {
    const __m512i mask = _mm512_set1_epi8(static_cast<char>(kMask << kUp));
    if constexpr (kShift >= kUp) {
      return {_mm512_and_si512(_mm512_srli_epi16(x.v, kShift - kUp), mask)};
    } else {
      return {_mm512_and_si512(_mm512_slli_epi16(x.v, kUp - kShift), mask)};
    }
  }
  static B Table(const int8_t* values) {
    const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
    return {_mm512_xor_si512(_mm512_broadcast_i32x4(Load16(values)), flip)};
  }
  static B Lookup(B table, B index) { return {_mm512_shuffle_epi8(table.v, index.v)}; }
  static __m512i Broadcast4(const int8_t* a) {
    int32_t x = 0;
    std::memcpy(&x, a, 4);
    return _mm512_set1_epi32(x);
  }
  static I Dot(I acc, B w, const int8_t* a) { return _mm512_dpbusd_epi32(acc, w.v, Broadcast4(a)); }
  using SmallDot = I;
  static SmallDot SmallZero() { return _mm512_setzero_si512(); }
  static SmallDot DotSmall(SmallDot acc, B w, const int8_t* a) { return Dot(acc, w, a); }
  static I SmallSum(SmallDot x) { return x; }
  static I InitBiased(int32_t n128) { return _mm512_set1_epi32(n128); }
  static I DotBiased(I acc, B w, const int8_t* a) { return Dot(acc, w, a); }
};

}  // namespace
}  // namespace exeunt::cpu
