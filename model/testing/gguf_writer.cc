#include "model/testing/gguf_writer.h"

#include <algorithm>

namespace exeunt {
namespace {

constexpr size_t kAlignment = 32;
constexpr uint32_t kUint16 = 2, kUint32 = 4, kInt32 = 5, kFloat32 = 6, kBool = 7, kString = 8, kArray = 9,
                   kUint64 = 10;

template <typename T>
std::string Bytes(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

std::string Text(std::string_view text) { return Bytes(uint64_t{text.size()}).append(text); }

template <typename T>
std::string Numbers(uint32_t type, const std::vector<T>& values) {
  std::string out = Bytes(type) + Bytes(uint64_t{values.size()});
  for (T value : values) out += Bytes(value);
  return out;
}

void Pad(std::string& bytes) { bytes.resize((bytes.size() + kAlignment - 1) / kAlignment * kAlignment); }

}  // namespace

void GgufWriter::SetRaw(std::string_view key, uint32_t type, std::string_view value) {
  pairs_ += Text(key) + Bytes(type);
  pairs_ += value;
  ++n_pairs_;
}

void GgufWriter::SetUint16(std::string_view key, uint16_t value) { SetRaw(key, kUint16, Bytes(value)); }
void GgufWriter::SetInt32(std::string_view key, int32_t value) { SetRaw(key, kInt32, Bytes(value)); }
void GgufWriter::SetUint32(std::string_view key, uint32_t value) { SetRaw(key, kUint32, Bytes(value)); }
void GgufWriter::SetUint64(std::string_view key, uint64_t value) { SetRaw(key, kUint64, Bytes(value)); }
void GgufWriter::SetFloat32(std::string_view key, float value) { SetRaw(key, kFloat32, Bytes(value)); }
void GgufWriter::SetBool(std::string_view key, bool value) {
  SetRaw(key, kBool, value ? "\1" : std::string_view("\0", 1));
}
void GgufWriter::SetString(std::string_view key, std::string_view value) {
  SetRaw(key, kString, Text(value));
}

void GgufWriter::SetStrings(std::string_view key, const std::vector<std::string>& values) {
  std::string out = Bytes(kString) + Bytes(uint64_t{values.size()});
  for (const std::string& value : values) out += Text(value);
  SetRaw(key, kArray, out);
}

void GgufWriter::SetInt32s(std::string_view key, const std::vector<int32_t>& values) {
  SetRaw(key, kArray, Numbers(kInt32, values));
}

void GgufWriter::SetFloat32s(std::string_view key, const std::vector<float>& values) {
  SetRaw(key, kArray, Numbers(kFloat32, values));
}

void GgufWriter::AddTensor(std::string_view name, DType type, const std::vector<int64_t>& shape,
                           std::span<const std::byte> bytes) {
  Pad(data_);
  AddRawTensor(name, Info(type).ggml_number, std::vector<uint64_t>(shape.rbegin(), shape.rend()),
               data_.size());
  data_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void GgufWriter::AddRawTensor(std::string_view name, uint32_t type, const std::vector<uint64_t>& dimensions,
                              uint64_t offset) {
  tensors_ += Text(name) + Bytes(static_cast<uint32_t>(dimensions.size()));
  for (uint64_t dimension : dimensions) tensors_ += Bytes(dimension);
  tensors_ += Bytes(type) + Bytes(offset);
  ++n_tensors_;
}

std::string GgufWriter::Build(uint32_t version) const {
  std::string file = "GGUF" + Bytes(version) + Bytes(n_tensors_) + Bytes(n_pairs_) + pairs_ + tensors_;
  Pad(file);
  return file + data_;
}

Status GgufWriter::WriteTo(const std::string& path) const { return WriteFile(path, Build()); }

}  // namespace exeunt
