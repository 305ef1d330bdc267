#include "kernels/block_codes.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "kernels/dequantize.h"

namespace exeunt {
namespace {

// The bits of a number within a block. The `bits` bits of byte `byte` from bit `shift` on are the bits of the
// number from bit `up` on.
struct Field {
  size_t byte;
  size_t shift;
  unsigned bits;
  size_t up;
};

// Each format is described once, for reading and for writing. The description calls body(index of a number,
// its field) for every field.
template <class Body>
void NibblesOf32(size_t first, size_t byte, Body body) {
  for (size_t k = 0; k < 16; ++k) {
    body(first + k, Field{byte + k, 0, 4, 0});
    body(first + k + 16, Field{byte + k, 4, 4, 0});
  }
}

template <class Body>
void FifthBitsOf32(size_t byte, Body body) {
  for (size_t k = 0; k < 32; ++k) body(k, Field{byte + k / 8, k % 8, 1, 4});
}

// Q4_K and Q5_K. Sub-blocks 2j and 2j + 1 are the low and the high nibbles of the same 32 bytes.
template <class Body>
void CodesOfQ45K(size_t nibbles, bool five, Body body) {
  for (size_t e = 0; e < 256; ++e) {
    body(e, Field{nibbles + e / 64 * 32 + e % 32, e / 32 % 2 * 4, 4, 0});
    if (five) body(e, Field{16 + e % 32, e / 32, 1, 4});
  }
}

// Q2_K and Q3_K. Four groups of 32 share 32 bytes.
template <class Body>
void PairsOfQ23K(size_t pairs, Body body) {
  for (size_t e = 0; e < 256; ++e) body(e, Field{pairs + e / 128 * 32 + e % 32, e % 128 / 32 * 2, 2, 0});
}

template <class Body>
void CodesOfQ6K(Body body) {
  for (size_t e = 0; e < 256; ++e) {
    const size_t half = e / 128;
    const size_t group = e % 128 / 32;
    body(e, Field{half * 64 + group % 2 * 32 + e % 32, group / 2 * 4, 4, 0});
    body(e, Field{128 + half * 32 + e % 32, group * 2, 2, 4});
  }
}

template <class Body>
void ForCodes(DType type, Body body) {
  switch (type) {
    case DType::kQ8_0:
      for (size_t e = 0; e < 32; ++e) body(e, Field{2 + e, 0, 8, 0});
      return;
    case DType::kQ4_0:
    case DType::kIQ4_NL:
      return NibblesOf32(0, 2, body);
    case DType::kQ4_1:
      return NibblesOf32(0, 4, body);
    case DType::kQ5_0:
      FifthBitsOf32(2, body);
      return NibblesOf32(0, 6, body);
    case DType::kQ5_1:
      FifthBitsOf32(4, body);
      return NibblesOf32(0, 8, body);
    case DType::kQ2_K:
      return PairsOfQ23K(16, body);
    case DType::kQ3_K:
      for (size_t e = 0; e < 256; ++e) body(e, Field{e % 32, e / 32, 1, 2});
      return PairsOfQ23K(32, body);
    case DType::kQ4_K:
      return CodesOfQ45K(16, false, body);
    case DType::kQ5_K:
      return CodesOfQ45K(48, true, body);
    case DType::kQ6_K:
      return CodesOfQ6K(body);
    case DType::kIQ4_XS:
      for (size_t s = 0; s < 8; ++s) NibblesOf32(32 * s, 8 + 16 * s, body);
      return;
    default:
      CHECK_MSG(false, "dtype {} has no codes", static_cast<int>(type));
  }
}

// Visits a number of 6 bits whose upper two bits lie elsewhere.
template <class Body>
void SixBits(size_t index, size_t low_byte, size_t low_shift, size_t high_byte, size_t high_shift,
             Body body) {
  body(index, Field{low_byte, low_shift, 4, 0});
  body(index, Field{high_byte, high_shift, 2, 4});
}

template <class Body>
void ForScales(DType type, Body body) {
  switch (type) {
    case DType::kQ2_K:
      for (size_t s = 0; s < 16; ++s) body(s, Field{s, 0, 4, 0});
      return;
    case DType::kQ3_K:
      for (size_t s = 0; s < 16; ++s) SixBits(s, 96 + s % 8, s / 8 * 4, 104 + s % 4, s / 4 * 2, body);
      return;
    case DType::kQ4_K:
    case DType::kQ5_K:
      for (size_t s = 0; s < 4; ++s) body(s, Field{4 + s, 0, 6, 0});
      for (size_t s = 4; s < 8; ++s) SixBits(s, 8 + s, 0, s, 6, body);
      return;
    case DType::kQ6_K:
      for (size_t s = 0; s < 16; ++s) body(s, Field{192 + s, 0, 8, 0});
      return;
    case DType::kIQ4_XS:
      for (size_t s = 0; s < 8; ++s) SixBits(s, 4 + s / 2, s % 2 * 4, 2 + s / 4, s % 4 * 2, body);
      return;
    default:
      return;
  }
}

template <class Body>
void ForMins(DType type, Body body) {
  switch (type) {
    case DType::kQ2_K:
      for (size_t s = 0; s < 16; ++s) body(s, Field{s, 4, 4, 0});
      return;
    case DType::kQ4_K:
    case DType::kQ5_K:
      for (size_t s = 0; s < 4; ++s) body(s, Field{8 + s, 0, 6, 0});
      for (size_t s = 4; s < 8; ++s) SixBits(s, 8 + s, 4, 4 + s, 6, body);
      return;
    default:
      return;
  }
}

unsigned Mask(const Field& f) { return (1U << f.bits) - 1; }

unsigned Get(const std::byte* block, const Field& f) {
  return ((std::to_integer<unsigned>(block[f.byte]) >> f.shift) & Mask(f)) << f.up;
}

void Put(std::byte* block, const Field& f, unsigned value) {
  block[f.byte] |= static_cast<std::byte>(((value >> f.up) & Mask(f)) << f.shift);
}

// Q8_0 has signed bytes in the file. As codes they are offset by 128.
constexpr uint8_t SignFlip(DType type) { return type == DType::kQ8_0 ? 0x80 : 0; }

}  // namespace

BlockCodes ReadBlock(DType type, const std::byte* block) {
  const CodeInfo info = Codes(type);
  BlockCodes out;
  std::memcpy(&out.d, block + info.d_at, 2);
  if (info.has_minimum) std::memcpy(&out.dmin, block + info.dmin_at, 2);
  ForCodes(type, [&](size_t e, const Field& f) {
    out.codes[e] = static_cast<uint8_t>(out.codes[e] | Get(block, f));
  });
  if (type == DType::kQ8_0) {
    for (size_t e = 0; e < 32; ++e) out.codes[e] ^= SignFlip(type);
  }
  unsigned scales[16] = {};
  ForScales(type, [&](size_t s, const Field& f) { scales[s] |= Get(block, f); });
  for (size_t s = 0; s < 16; ++s)
    out.scales[s] = static_cast<int8_t>(static_cast<int>(scales[s]) - info.scale_offset);
  ForMins(type,
          [&](size_t s, const Field& f) { out.mins[s] = static_cast<uint8_t>(out.mins[s] | Get(block, f)); });
  return out;
}

void WriteBlock(DType type, const BlockCodes& codes, std::byte* block) {
  const CodeInfo info = Codes(type);
  std::fill_n(block, Info(type).block_bytes, std::byte{0});
  std::memcpy(block + info.d_at, &codes.d, 2);
  if (info.has_minimum) std::memcpy(block + info.dmin_at, &codes.dmin, 2);
  ForCodes(type, [&](size_t e, const Field& f) {
    Put(block, f, static_cast<unsigned>(codes.codes[e] ^ SignFlip(type)));
  });
  ForScales(type, [&](size_t s, const Field& f) {
    Put(block, f, static_cast<unsigned>(codes.scales[s] + info.scale_offset) & 0xFFU);
  });
  ForMins(type, [&](size_t s, const Field& f) { Put(block, f, codes.mins[s]); });
}

void BlockValues(DType type, const BlockCodes& codes, float* dst) {
  const CodeInfo info = Codes(type);
  const auto elements = static_cast<size_t>(Info(type).block_elements);
  const auto sub_elements = static_cast<size_t>(info.sub_elements);
  const float d = HalfToFloat(codes.d);
  const float dmin = HalfToFloat(codes.dmin);
  for (size_t s = 0; s < elements / sub_elements; ++s) {
    float scale = d;
    float min = -dmin;
    if (elements == kMaxBlockElements) {
      scale = d * static_cast<float>(codes.scales[s]);
      min = dmin * static_cast<float>(codes.mins[s]);
    }
    for (size_t e = s * sub_elements; e < (s + 1) * sub_elements; ++e) {
      const float product = scale * static_cast<float>(CodeValue(info, codes.codes[e]));
      dst[e] = info.has_minimum ? product - min : product;
    }
  }
}

}  // namespace exeunt
