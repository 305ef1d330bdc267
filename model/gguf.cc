#include "model/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <string_view>
#include <utility>

#include "base/byte_reader.h"
#include "base/error.h"
#include "base/quoted.h"

namespace exeunt {
namespace {

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr uint64_t kMaxKeyBytes = 65535;
constexpr uint64_t kMaxNameBytes = 256;
constexpr uint32_t kMaxDimensions = 4;
constexpr int64_t kDefaultAlignment = 32;
constexpr int64_t kMaxAlignment = 1 << 20;
constexpr size_t kMinPairBytes = 8 + 1 + 4 + 1;  // key length, key, type, value
constexpr size_t kMinTensorBytes =
    8 + 1 + 4 + 8 + 4 + 8;  // name length, name, dimensions, one of them, type, offset

enum class ValueType : uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64
};
// The smallest size of a value in the file, by ValueType.
constexpr std::array<size_t, 13> kMinValueBytes = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};

// ggml's numbers of element types that a file may have but Exeunt does not run.
constexpr std::pair<uint32_t, std::string_view> kOtherTypes[] = {
    {4, "Q4_2"},    {5, "Q4_3"},        {9, "Q8_1"},        {15, "Q8_K"},       {16, "IQ2_XXS"},
    {17, "IQ2_XS"}, {18, "IQ3_XXS"},    {19, "IQ1_S"},      {21, "IQ3_S"},      {22, "IQ2_S"},
    {24, "I8"},     {25, "I16"},        {26, "I32"},        {27, "I64"},        {28, "F64"},
    {29, "IQ1_M"},  {31, "Q4_0_4_4"},   {32, "Q4_0_4_8"},   {33, "Q4_0_8_8"},   {34, "TQ1_0"},
    {35, "TQ2_0"},  {36, "IQ4_NL_4_4"}, {37, "IQ4_NL_4_8"}, {38, "IQ4_NL_8_8"}, {39, "MXFP4"},
    {40, "NVFP4"},  {41, "Q1_0"},       {42, "Q2_0"}};

template <typename Narrow>
Result<int64_t> ReadWidened(ByteReader& in) {
  ASSIGN_OR_RETURN(const Narrow value, in.Read<Narrow>("value"));
  return static_cast<int64_t>(value);
}

Result<int64_t> ReadInt(ByteReader& in, ValueType type) {
  switch (type) {
    case ValueType::kUint8:
      return ReadWidened<uint8_t>(in);
    case ValueType::kInt8:
      return ReadWidened<int8_t>(in);
    case ValueType::kUint16:
      return ReadWidened<uint16_t>(in);
    case ValueType::kInt16:
      return ReadWidened<int16_t>(in);
    case ValueType::kUint32:
      return ReadWidened<uint32_t>(in);
    case ValueType::kInt32:
      return ReadWidened<int32_t>(in);
    case ValueType::kInt64:
      return ReadWidened<int64_t>(in);
    default:
      break;
  }
  ASSIGN_OR_RETURN(const uint64_t value, in.Read<uint64_t>("value"));
  constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (value > kMax) return DataLoss("offset {}: value {}, the limit is {}", in.offset() - 8, value, kMax);
  return static_cast<int64_t>(value);
}

Result<double> ReadFloat(ByteReader& in, ValueType type) {
  if (type == ValueType::kFloat64) return in.Read<double>("value");
  ASSIGN_OR_RETURN(const float value, in.Read<float>("value"));
  return static_cast<double>(value);
}

Result<bool> ReadBool(ByteReader& in) {
  ASSIGN_OR_RETURN(const uint8_t value, in.Read<uint8_t>("value"));
  if (value > 1) return DataLoss("offset {}: bool {}, the limit is 1", in.offset() - 1, value);
  return value == 1;
}

Result<ValueType> ReadType(ByteReader& in) {
  ASSIGN_OR_RETURN(const uint32_t type, in.Read<uint32_t>("value type"));
  if (type >= kMinValueBytes.size()) {
    return DataLoss("offset {}: value type {}, the limit is {}", in.offset() - 4, type,
                    kMinValueBytes.size() - 1);
  }
  return static_cast<ValueType>(type);
}

template <typename T, typename ReadOne>
Result<GgufValue> ReadElements(uint64_t count, const ReadOne& read_one) {
  std::vector<T> values;
  values.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(T value, read_one());
    values.push_back(std::move(value));
  }
  return GgufValue(std::move(values));
}

Result<GgufValue> ReadArray(ByteReader& in) {
  ASSIGN_OR_RETURN(const ValueType type, ReadType(in));
  if (type == ValueType::kArray) return Unimplemented("offset {}: an array of arrays", in.offset() - 4);
  ASSIGN_OR_RETURN(const uint64_t count, in.Read<uint64_t>("array length"));
  const size_t limit = in.remaining() / kMinValueBytes[static_cast<size_t>(type)];
  if (count > limit) {
    return DataLoss("offset {}: array of {} elements, the limit is {}", in.offset() - 8, count, limit);
  }
  switch (type) {
    case ValueType::kBool:
      return ReadElements<bool>(count, [&] { return ReadBool(in); });
    case ValueType::kFloat32:
    case ValueType::kFloat64:
      return ReadElements<double>(count, [&] { return ReadFloat(in, type); });
    case ValueType::kString:
      return ReadElements<std::string>(count, [&] { return in.ReadString(kGgufMaxHeaderBytes, "string"); });
    default:
      return ReadElements<int64_t>(count, [&] { return ReadInt(in, type); });
  }
}

Result<GgufValue> ReadValue(ByteReader& in) {
  ASSIGN_OR_RETURN(const ValueType type, ReadType(in));
  switch (type) {
    case ValueType::kArray:
      return ReadArray(in);
    case ValueType::kString:
      return in.ReadString(kGgufMaxHeaderBytes, "string");
    case ValueType::kBool:
      return ReadBool(in);
    case ValueType::kFloat32:
    case ValueType::kFloat64:
      return ReadFloat(in, type);
    default:
      return ReadInt(in, type);
  }
}

Status ReadMetadata(ByteReader& in, uint64_t count, GgufMetadata& metadata) {
  for (uint64_t i = 0; i < count; ++i) {
    const std::string place = fmt::format("metadata pair {}", i);
    const size_t at = in.offset();
    auto key = in.ReadString(kMaxKeyBytes, "key");
    if (!key) return Annotate(key.error(), place);
    if (key->empty()) return DataLoss("{}: offset {}: empty key", place, at);
    const std::string named = "metadata key " + Quoted(*key);
    auto value = ReadValue(in);
    if (!value) return Annotate(value.error(), named);
    if (!metadata.emplace(*std::move(key), *std::move(value)).second) {
      return DataLoss("{}: offset {}: the key is there twice", named, at);
    }
  }
  return OkStatus();
}

std::string SupportedTypes() {
  std::vector<std::string_view> names;
  for (DType type : kAllDTypes) names.push_back(Info(type).name);
  return fmt::format("{}", fmt::join(names, ", "));
}

Result<DType> ReadDType(ByteReader& in) {
  ASSIGN_OR_RETURN(const uint32_t number, in.Read<uint32_t>("element type"));
  for (DType type : kAllDTypes) {
    if (Info(type).ggml_number == number) return type;
  }
  for (const auto& [other, name] : kOtherTypes) {
    if (other == number) {
      return Unimplemented("element type {} (ggml's number {}) is not supported; supported are {}", name,
                           number, SupportedTypes());
    }
  }
  return DataLoss("offset {}: unknown element type {}; supported are {}", in.offset() - 4, number,
                  SupportedTypes());
}

// The place of a tensor's bytes, relative to the data section.
struct Extent {
  uint64_t offset = 0;
  uint64_t size_bytes = 0;
};

// Reads everything but the name. `shape` is reversed to have rows first.
Result<Extent> ReadTensor(ByteReader& in, TensorView& tensor) {
  ASSIGN_OR_RETURN(const uint32_t n_dimensions, in.Read<uint32_t>("dimension count"));
  if (n_dimensions < 1 || n_dimensions > kMaxDimensions) {
    return DataLoss("offset {}: {} dimensions, the limit is {}", in.offset() - 4, n_dimensions,
                    kMaxDimensions);
  }
  uint64_t elements = 1;
  for (uint32_t i = 0; i < n_dimensions; ++i) {
    ASSIGN_OR_RETURN(const uint64_t dimension, in.Read<uint64_t>("dimension"));
    constexpr uint64_t kMaxElements = uint64_t{1} << 48;
    if (dimension == 0 || dimension > kMaxElements / elements) {
      return DataLoss("offset {}: dimension {} is {}, the limit is 1 to {}", in.offset() - 8, i, dimension,
                      kMaxElements / elements);
    }
    elements *= dimension;
    tensor.shape.insert(tensor.shape.begin(), static_cast<int64_t>(dimension));
  }
  ASSIGN_OR_RETURN(tensor.dtype, ReadDType(in));
  const DTypeInfo info = Info(tensor.dtype);
  if (tensor.shape.back() % info.block_elements != 0) {
    return DataLoss("rows of {} elements are not a multiple of {}'s block of {}", tensor.shape.back(),
                    info.name, info.block_elements);
  }
  ASSIGN_OR_RETURN(const uint64_t offset, in.Read<uint64_t>("data offset"));
  return Extent{offset, RowBytes(tensor.dtype, elements)};
}

Result<uint64_t> Alignment(const GgufMetadata& metadata) {
  if (!metadata.contains("general.alignment")) return static_cast<uint64_t>(kDefaultAlignment);
  const auto* value = FindGguf<int64_t>(metadata, "general.alignment");
  if (value == nullptr) return DataLoss("metadata key 'general.alignment': not an integer");
  if (*value < 1 || *value > kMaxAlignment || !std::has_single_bit(static_cast<uint64_t>(*value))) {
    return DataLoss("metadata key 'general.alignment': {} is not a power of two from 1 to {}", *value,
                    kMaxAlignment);
  }
  return static_cast<uint64_t>(*value);
}

struct PendingTensor {
  TensorView view;
  Extent extent;
};

// Turns extents into bytes of the data section. Tensors must lie inside it, be aligned and not overlap.
Status PlaceTensors(std::vector<PendingTensor>& tensors, std::span<const std::byte> data, size_t data_start,
                    uint64_t alignment) {
  for (PendingTensor& t : tensors) {
    const auto [offset, size_bytes] = t.extent;
    const std::string name = "tensor " + Quoted(t.view.name);
    if (offset % alignment != 0) {
      return DataLoss("{}: data offset {} is not a multiple of the alignment {}", name, offset, alignment);
    }
    if (offset > data.size() || size_bytes > data.size() - offset) {
      return DataLoss("{}: {} bytes at data offset {} (file offset {} + it), the limit is {}", name,
                      size_bytes, offset, data_start, data.size());
    }
    t.view.bytes = data.subspan(offset, size_bytes);
  }
  std::vector<const PendingTensor*> ordered;
  for (const PendingTensor& t : tensors) ordered.push_back(&t);
  std::ranges::sort(ordered, {}, [](const PendingTensor* t) { return t->extent.offset; });
  for (size_t i = 1; i < ordered.size(); ++i) {
    const Extent& previous = ordered[i - 1]->extent;
    if (previous.offset + previous.size_bytes > ordered[i]->extent.offset) {
      return DataLoss("tensor {}: data offset {} lies inside tensor {}, which ends at {}",
                      Quoted(ordered[i]->view.name), ordered[i]->extent.offset,
                      Quoted(ordered[i - 1]->view.name), previous.offset + previous.size_bytes);
    }
  }
  return OkStatus();
}

Result<std::vector<PendingTensor>> ReadTensors(ByteReader& in, uint64_t count) {
  std::vector<PendingTensor> tensors;
  for (uint64_t i = 0; i < count; ++i) {
    PendingTensor tensor;
    auto name = in.ReadString(kMaxNameBytes, "name");
    if (!name) return Annotate(name.error(), fmt::format("tensor {}", i));
    tensor.view.name = *std::move(name);
    auto extent = ReadTensor(in, tensor.view);
    if (!extent) return Annotate(extent.error(), "tensor " + Quoted(tensor.view.name));
    tensor.extent = *extent;
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

Result<GgufContents> Parse(std::span<const std::byte> file) {
  ByteReader in(file.first(std::min(file.size(), kGgufMaxHeaderBytes)));
  ASSIGN_OR_RETURN(const uint32_t magic, in.Read<uint32_t>("magic"));
  if (magic != kMagic) return DataLoss("offset 0: not a GGUF file: it begins with 0x{:08x}", magic);
  GgufContents contents;
  ASSIGN_OR_RETURN(contents.version, in.Read<uint32_t>("version"));
  if (contents.version != 2 && contents.version != 3) {
    const bool big_endian = contents.version != 0 && (contents.version & 0xFFFFFF) == 0;
    return Unimplemented("offset 4: GGUF version {}{}; versions 2 and 3 are supported", contents.version,
                         big_endian ? " (a big-endian file)" : "");
  }
  ASSIGN_OR_RETURN(const uint64_t n_tensors, in.Read<uint64_t>("tensor count"));
  ASSIGN_OR_RETURN(const uint64_t n_pairs, in.Read<uint64_t>("metadata count"));
  if (n_tensors > in.remaining() / kMinTensorBytes) {
    return DataLoss("offset 8: {} tensors, the limit is {}", n_tensors, in.remaining() / kMinTensorBytes);
  }
  if (n_pairs > in.remaining() / kMinPairBytes) {
    return DataLoss("offset 16: {} metadata pairs, the limit is {}", n_pairs, in.remaining() / kMinPairBytes);
  }
  RETURN_IF_ERROR(ReadMetadata(in, n_pairs, contents.metadata));
  ASSIGN_OR_RETURN(std::vector<PendingTensor> tensors, ReadTensors(in, n_tensors));

  ASSIGN_OR_RETURN(const uint64_t alignment, Alignment(contents.metadata));
  const size_t data_start = std::min((in.offset() + alignment - 1) / alignment * alignment, file.size());
  RETURN_IF_ERROR(PlaceTensors(tensors, file.subspan(data_start), data_start, alignment));
  for (PendingTensor& tensor : tensors) {
    const std::string name = Quoted(tensor.view.name);
    if (!contents.tensors.Add(std::move(tensor.view))) return DataLoss("tensor {} is there twice", name);
  }
  return contents;
}

}  // namespace

Result<GgufContents> ParseGguf(std::span<const std::byte> file, const std::string& name) {
  auto contents = Parse(file);
  if (!contents) return Annotate(contents.error(), name);
  return contents;
}

}  // namespace exeunt
