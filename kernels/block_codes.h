// BlockCodes has the numbers of a quantised block one by one. Element e of sub-block s = e / sub_elements is
//   scale_s * value(code_e) - min_s
// scale_s is d * scales[s] in blocks of 256 and d in blocks of 32. min_s is dmin * mins[s] in blocks of 256
// and -dmin in blocks of 32, because GGUF's m is added. value is kIq4Values[code] for IQ4_NL and IQ4_XS and
// code - code_offset for all other types. Formats:
// https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/dtype.h"

namespace exeunt {

// The values of the codes 0 to 15 of IQ4_NL and IQ4_XS (ggml's kvalues_iq4nl).
inline constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                          1,    13,   25,  38,  53,  69,  89,  113};

struct CodeInfo {
  int bits;          // width of a code
  int sub_elements;  // number of elements that share a scale
  int code_offset;   // subtracted from a code; 0 where the code is an index of kIq4Values
  int scale_offset;  // added to a scale in the file
  bool has_minimum;
  bool iq4_values;
  size_t d_at;     // byte offset of d in the file's block
  size_t dmin_at;  // byte offset of dmin, where there is one
};

constexpr CodeInfo Codes(DType type) {
  switch (type) {
    case DType::kQ8_0:
      return {8, 32, 128, 0, false, false, 0, 0};
    case DType::kQ4_0:
      return {4, 32, 8, 0, false, false, 0, 0};
    case DType::kQ4_1:
      return {4, 32, 0, 0, true, false, 0, 2};
    case DType::kQ5_0:
      return {5, 32, 16, 0, false, false, 0, 0};
    case DType::kQ5_1:
      return {5, 32, 0, 0, true, false, 0, 2};
    case DType::kQ2_K:
      return {2, 16, 0, 0, true, false, 80, 82};
    case DType::kQ3_K:
      return {3, 16, 4, 32, false, false, 108, 0};
    case DType::kQ4_K:
      return {4, 32, 0, 0, true, false, 0, 2};
    case DType::kQ5_K:
      return {5, 32, 0, 0, true, false, 0, 2};
    case DType::kQ6_K:
      return {6, 16, 32, 0, false, false, 208, 0};
    case DType::kIQ4_NL:
      return {4, 32, 0, 0, false, true, 0, 0};
    case DType::kIQ4_XS:
      return {4, 32, 0, 32, false, true, 0, 0};
    default:
      return {};
  }
}

constexpr int CodeValue(const CodeInfo& info, uint8_t code) {
  return info.iq4_values ? kIq4Values[code] : code - info.code_offset;
}

inline constexpr size_t kMaxBlockElements = 256;

struct BlockCodes {
  uint16_t d = 0;     // bits of a half
  uint16_t dmin = 0;  // bits of a half: dmin in a block of 256, m in a block of 32
  uint8_t codes[kMaxBlockElements] = {};
  int8_t scales[16] = {};  // for blocks of 256
  uint8_t mins[16] = {};
};

// `type` is quantised. block: [Info(type).block_bytes].
BlockCodes ReadBlock(DType type, const std::byte* block);
void WriteBlock(DType type, const BlockCodes& codes, std::byte* block);
// dst: [Info(type).block_elements]. The values are bit-identical to those of ggml's dequantize_row.
void BlockValues(DType type, const BlockCodes& codes, float* dst);

}  // namespace exeunt
