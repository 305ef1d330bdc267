#include "kernels/packed_block.h"

#include <cstring>

#include "kernels/block_codes.h"
#include "kernels/dequantize.h"

namespace exeunt {
namespace {

constexpr size_t kC = kGroupColumns;
constexpr size_t kPlane = 64;  // bytes of a plane, four for each column

// Byte offsets inside a block of 16 columns, and the planes of each 32 k.
struct Layout {
  size_t subs = 0;  // number of sub-blocks with their own scale; 0 in blocks of 32
  size_t scales = 0;
  size_t mins = 0;  // 0 if scales hold the mins or there are none
  size_t low = 0;
  size_t high = 0;
  size_t low_planes = 0;
  size_t high_planes = 0;
  size_t bytes = 0;
};

constexpr Layout LayoutOf(DType dtype) {
  const CodeInfo info = Codes(dtype);
  const auto elements = static_cast<size_t>(Info(dtype).block_elements);
  Layout l;
  l.scales = kC * (info.has_minimum ? 4 : 2);
  l.low = l.scales;
  if (elements == kMaxBlockElements) {
    l.subs = elements / static_cast<size_t>(info.sub_elements);
    l.low += l.subs * kC;
    if (info.has_minimum && dtype != DType::kQ2_K) {
      l.mins = l.low;
      l.low += l.subs * kC;
    }
  }
  l.low_planes = info.bits == 8 ? 8 : info.bits >= 4 ? 4 : 2;
  l.high_planes = info.bits == 6 ? 2 : info.bits % 2 == 1 ? 1 : 0;
  l.high = l.low + elements / 32 * l.low_planes * kPlane;
  l.bytes = l.high + elements / 32 * l.high_planes * kPlane;
  return l;
}

// Plane p holds bits [shift, shift + kBits) of 32 codes. A byte has 8 / kBits of them, `stride` apart. at:
// the four bytes of column c in plane 0.
template <int kBits>
void PutPlanes(const uint8_t* codes, size_t planes, size_t stride, int shift, uint8_t* at) {
  constexpr size_t kPerByte = 8 / kBits;
  for (size_t p = 0; p < planes; ++p) {
    for (size_t i = 0; i < 4; ++i) {
      const size_t first = (stride == 4 ? p * 4 * kPerByte : 4 * p) + i;
      unsigned byte = 0;
      for (size_t j = 0; j < kPerByte; ++j) {
        const unsigned code = codes[first + j * stride];
        byte |= ((code >> shift) & ((1U << kBits) - 1)) << (kBits * j);
      }
      at[p * kPlane + i] = static_cast<uint8_t>(byte);
    }
  }
}

template <int kBits>
void GetPlanes(const uint8_t* at, size_t planes, size_t stride, int shift, uint8_t* codes) {
  constexpr size_t kPerByte = 8 / kBits;
  for (size_t p = 0; p < planes; ++p) {
    for (size_t i = 0; i < 4; ++i) {
      const size_t first = (stride == 4 ? p * 4 * kPerByte : 4 * p) + i;
      for (size_t j = 0; j < kPerByte; ++j) {
        const unsigned bits =
            (static_cast<unsigned>(at[p * kPlane + i]) >> (kBits * j)) & ((1U << kBits) - 1);
        codes[first + j * stride] = static_cast<uint8_t>(codes[first + j * stride] | (bits << shift));
      }
    }
  }
}

// Calls body.operator()<bits of a plane's numbers>(first element, planes, stride, shift, offset of plane 0
// without the column) for the low and the high bits of each 32 k.
template <class Body>
void ForPlanes(DType dtype, Body body) {
  const Layout l = LayoutOf(dtype);
  const auto blocks32 = static_cast<size_t>(Info(dtype).block_elements) / 32;
  for (size_t b = 0; b < blocks32; ++b) {
    const size_t low = l.low + b * l.low_planes * kPlane;
    const size_t high = l.high + b * l.high_planes * kPlane;
    if (l.low_planes == 8) body.template operator()<8>(32 * b, 8, 4, 0, low);
    if (l.low_planes == 4) body.template operator()<4>(32 * b, 4, 16, 0, low);
    if (l.low_planes == 2) body.template operator()<2>(32 * b, 2, 4, 0, low);
    if (l.high_planes == 1) body.template operator()<1>(32 * b, 1, 4, l.low_planes == 4 ? 4 : 2, high);
    if (l.high_planes == 2) body.template operator()<2>(32 * b, 2, 4, 4, high);
  }
}

void PackScales(DType dtype, const Layout& l, const BlockCodes& codes, size_t c, uint8_t* dst) {
  for (size_t s = 0; s < l.subs; ++s) {
    uint8_t& scale = dst[l.scales + s * kC + c];
    scale = static_cast<uint8_t>(codes.scales[s]);
    if (dtype == DType::kQ2_K) scale = static_cast<uint8_t>(scale | (codes.mins[s] << 4));
    if (l.mins != 0) dst[l.mins + s * kC + c] = codes.mins[s];
  }
}

void UnpackScales(DType dtype, const Layout& l, const uint8_t* src, size_t c, BlockCodes* codes) {
  for (size_t s = 0; s < l.subs; ++s) {
    const uint8_t scale = src[l.scales + s * kC + c];
    codes->scales[s] = static_cast<int8_t>(dtype == DType::kQ2_K ? scale & 15 : scale);
    if (dtype == DType::kQ2_K) codes->mins[s] = scale >> 4;
    if (l.mins != 0) codes->mins[s] = src[l.mins + s * kC + c];
  }
}

}  // namespace

size_t PackedBlockBytes(DType dtype) {
  return IsQuantised(dtype) ? LayoutOf(dtype).bytes : kC * static_cast<size_t>(Info(dtype).block_bytes);
}

void PackBlock(DType dtype, const std::byte* src, size_t c, uint8_t* dst) {
  if (!IsQuantised(dtype)) {
    const auto bytes = static_cast<size_t>(Info(dtype).block_bytes);
    std::memcpy(dst + bytes * c, src, bytes);
    return;
  }
  const BlockCodes codes = ReadBlock(dtype, src);
  std::memcpy(dst + 2 * c, &codes.d, 2);
  if (Codes(dtype).has_minimum) std::memcpy(dst + 2 * kC + 2 * c, &codes.dmin, 2);
  PackScales(dtype, LayoutOf(dtype), codes, c, dst);
  ForPlanes(dtype, [&]<int kBits>(size_t e, size_t planes, size_t stride, int shift, size_t at) {
    PutPlanes<kBits>(codes.codes + e, planes, stride, shift, dst + at + 4 * c);
  });
}

void UnpackBlock(DType dtype, const uint8_t* src, size_t c, float* dst) {
  if (!IsQuantised(dtype)) {
    const auto bytes = static_cast<size_t>(Info(dtype).block_bytes);
    return DequantizeRow(dtype, reinterpret_cast<const std::byte*>(src) + bytes * c, dst, 1);
  }
  BlockCodes codes;
  std::memcpy(&codes.d, src + 2 * c, 2);
  if (Codes(dtype).has_minimum) std::memcpy(&codes.dmin, src + 2 * kC + 2 * c, 2);
  UnpackScales(dtype, LayoutOf(dtype), src, c, &codes);
  ForPlanes(dtype, [&]<int kBits>(size_t e, size_t planes, size_t stride, int shift, size_t at) {
    GetPlanes<kBits>(src + at + 4 * c, planes, stride, shift, codes.codes + e);
  });
  BlockValues(dtype, codes, dst);
}

}  // namespace exeunt
