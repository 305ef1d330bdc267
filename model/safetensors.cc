#include "model/safetensors.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <optional>
#include <utility>

#include "base/byte_reader.h"
#include "base/error.h"
#include "base/json.h"
#include "base/quoted.h"
#include "kernels/dequantize.h"

namespace exeunt {
namespace {

namespace json = boost::json;

constexpr uint64_t kMaxHeaderBytes = 16 << 20;  // usual headers have about 100 bytes per tensor
constexpr size_t kMaxDimensions = 8;
constexpr uint64_t kMaxElements = uint64_t{1} << 48;

std::optional<DType> KnownType(std::string_view name) {
  for (DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    if (Info(type).name == name) return type;
  }
  return std::nullopt;
}

Result<uint64_t> Unsigned(const json::value& value, std::string_view what) {
  if (value.is_int64() && value.get_int64() >= 0) return static_cast<uint64_t>(value.get_int64());
  return DataLoss("{} is {}, not a natural number below 2^63", what, JsonText(value));
}

Result<uint64_t> ReadShape(const json::value& value, TensorView& tensor) {
  const json::array* const shape = value.if_array();
  if (shape == nullptr || shape->size() > kMaxDimensions) {
    return DataLoss("shape is {}, not an array of at most {} numbers", JsonText(value), kMaxDimensions);
  }
  uint64_t elements = 1;
  for (const json::value& entry : *shape) {
    ASSIGN_OR_RETURN(const uint64_t dimension, Unsigned(entry, "dimension"));
    if (elements != 0 && dimension > kMaxElements / elements) {
      return DataLoss("dimension {}, the limit is {}", dimension, kMaxElements / elements);
    }
    elements *= dimension;
    tensor.shape.push_back(static_cast<int64_t>(dimension));
  }
  return elements;
}

Result<TensorView> ReadTensor(std::string_view name, const json::value& value,
                              std::span<const std::byte> data) {
  TensorView tensor;
  tensor.name = std::string(name);
  const json::object* const fields = value.if_object();
  if (fields == nullptr) return DataLoss("{} is not an object", JsonText(value));
  const json::value* const type = fields->if_contains("dtype");
  const json::value* const shape = fields->if_contains("shape");
  const json::value* const offsets = fields->if_contains("data_offsets");
  if (type == nullptr || shape == nullptr || offsets == nullptr || fields->size() != 3) {
    return DataLoss("the keys are not dtype, shape and data_offsets");
  }
  const std::optional<DType> known = type->is_string() ? KnownType(type->get_string()) : std::nullopt;
  if (!known) return Unimplemented("dtype {} is not supported; F32, F16 and BF16 are", JsonText(*type));
  tensor.dtype = *known;
  ASSIGN_OR_RETURN(const uint64_t elements, ReadShape(*shape, tensor));

  const json::array* const range = offsets->if_array();
  if (range == nullptr || range->size() != 2)
    return DataLoss("data_offsets is {}, not a pair", JsonText(*offsets));
  ASSIGN_OR_RETURN(const uint64_t begin, Unsigned((*range)[0], "data offset"));
  ASSIGN_OR_RETURN(const uint64_t end, Unsigned((*range)[1], "data offset"));
  if (begin > end || end > data.size()) {
    return DataLoss("data offsets {} to {}, the limit is {}", begin, end, data.size());
  }
  const size_t size_bytes = RowBytes(tensor.dtype, elements);
  if (end - begin != size_bytes) {
    return DataLoss("data offsets {} to {} hold {} bytes, the shape needs {}", begin, end, end - begin,
                    size_bytes);
  }
  tensor.bytes = data.subspan(begin, size_bytes);
  return tensor;
}

// Refuses gaps and overlaps, as the reference implementation does. A duplicate entry is an overlap.
Status CheckContiguous(std::vector<TensorView>& tensors, std::span<const std::byte> data) {
  std::ranges::sort(tensors, {},
                    [](const TensorView& t) { return std::pair(t.bytes.data(), t.bytes.size()); });
  size_t expected = 0;
  for (const TensorView& tensor : tensors) {
    const auto begin = static_cast<size_t>(tensor.bytes.data() - data.data());
    if (begin != expected) {
      return DataLoss("tensor {}: data offset {}, expected {}", Quoted(tensor.name), begin, expected);
    }
    expected += tensor.bytes.size();
  }
  if (expected != data.size()) {
    return DataLoss("the tensors end at data offset {}, the file at {}", expected, data.size());
  }
  return OkStatus();
}

Result<TensorTable> Parse(std::span<const std::byte> file) {
  ByteReader in(file);
  ASSIGN_OR_RETURN(const std::string header, in.ReadString(kMaxHeaderBytes, "header"));
  ASSIGN_OR_RETURN(const json::object root, ParseJsonObject(header));
  const std::span<const std::byte> data = file.subspan(in.offset());
  std::vector<TensorView> tensors;
  for (const auto& [name, value] : root) {
    if (name == "__metadata__") continue;  // text for humans
    auto tensor = ReadTensor(name, value, data);
    if (!tensor) return Annotate(tensor.error(), "tensor " + Quoted(name));
    tensors.push_back(*std::move(tensor));
  }
  RETURN_IF_ERROR(CheckContiguous(tensors, data));
  TensorTable table;
  for (TensorView& tensor : tensors) {
    const std::string name = Quoted(tensor.name);
    if (!table.Add(std::move(tensor))) return DataLoss("tensor {} is there twice", name);
  }
  return table;
}

}  // namespace

Result<TensorTable> ParseSafetensors(std::span<const std::byte> file, const std::string& name) {
  auto tensors = Parse(file);
  if (!tensors) return Annotate(tensors.error(), name);
  return tensors;
}

Result<std::shared_ptr<const SafetensorsFile>> SafetensorsFile::Open(const std::string& path) {
  ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  ASSIGN_OR_RETURN(TensorTable tensors, ParseSafetensors(file->bytes(), path));
  return std::shared_ptr<const SafetensorsFile>(new SafetensorsFile(file, std::move(tensors)));
}

Result<std::vector<float>> SafetensorsFile::ReadFloats(const std::string& name,
                                                       const std::vector<int64_t>& shape) const {
  const TensorView* t = Find(name);
  if (t == nullptr) return NotFound("tensor '{}' is missing", name);
  if (t->shape != shape) {
    return InvalidArgument("tensor '{}' has shape [{}], not [{}]", name, fmt::join(t->shape, ", "),
                           fmt::join(shape, ", "));
  }
  size_t n = 1;
  for (const int64_t extent : shape) n *= static_cast<size_t>(extent);
  std::vector<float> values(n);
  DequantizeRow(t->dtype, t->bytes.data(), values.data(), n);
  const auto bad = std::ranges::find_if_not(values, [](float x) { return std::isfinite(x); });
  if (bad != values.end()) return DataLoss("tensor '{}': element {} is {}", name, bad - values.begin(), *bad);
  return values;
}

}  // namespace exeunt
