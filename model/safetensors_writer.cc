#include "model/safetensors_writer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/write_file.h"

namespace exeunt {

void SafetensorsWriter::AddTensor(std::string_view name, DType type, const std::vector<int64_t>& shape,
                                  std::span<const std::byte> bytes) {
  entries_ += fmt::format(R"({}"{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                          entries_.empty() ? "" : ",", name, Info(type).name, fmt::join(shape, ","),
                          data_.size(), data_.size() + bytes.size());
  data_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::string SafetensorsWriter::BuildRaw(std::string_view header, std::string_view data) {
  const uint64_t size = header.size();
  std::string file(reinterpret_cast<const char*>(&size), sizeof(size));
  return file.append(header).append(data);
}

std::string SafetensorsWriter::Build() const { return BuildRaw("{" + entries_ + "}", data_); }

Status SafetensorsWriter::WriteTo(const std::string& path) const { return WriteFile(path, Build()); }

}  // namespace exeunt
