#include "model/gguf_split.h"

#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/quoted.h"

namespace exeunt {
namespace {

constexpr std::string_view kNumber = "split.no";
constexpr std::string_view kCount = "split.count";
constexpr std::string_view kTensors = "split.tensors.count";

struct Part {
  std::shared_ptr<const MappedFile> file;
  GgufContents gguf;
};

Result<Part> OpenPart(const std::string& path) {
  Part part;
  ASSIGN_OR_RETURN(part.file, MappedFile::Open(path));
  ASSIGN_OR_RETURN(part.gguf, ParseGguf(part.file->bytes(), path));
  return part;
}

Result<int64_t> Number(const Part& part, std::string_view key) {
  const GgufMetadata& metadata = part.gguf.metadata;
  if (!metadata.contains(key)) {
    return DataLoss("{}: metadata key '{}' of a split model is missing", part.file->path(), key);
  }
  const auto* value = FindGguf<int64_t>(metadata, key);
  if (value == nullptr) return DataLoss("{}: metadata key '{}' is not an integer", part.file->path(), key);
  return *value;
}

std::string Ending(int64_t part, int64_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", part + 1, count);
}

// Returns the common beginning of the paths of all parts, from the path of one.
Result<std::string> Prefix(const std::string& path, int64_t number, int64_t count) {
  const std::string ending = Ending(number, count);
  if (!path.ends_with(ending)) {
    return InvalidArgument(
        "{}: the file is part {} of {} by its keys 'split.no' and 'split.count', so its name must end "
        "with '{}'",
        path, number + 1, count, ending);
  }
  return path.substr(0, path.size() - ending.size());
}

// A part that names its architecture must name that of the model.
Status ExpectSameArchitecture(const Part& part, const GgufMetadata& first) {
  constexpr std::string_view kKey = "general.architecture";
  const auto* own = FindGguf<std::string>(part.gguf.metadata, kKey);
  const auto* expected = FindGguf<std::string>(first, kKey);
  if (own == nullptr || (expected != nullptr && *own == *expected)) return OkStatus();
  return DataLoss("{}: metadata key '{}' is {}, not that of the first part", part.file->path(), kKey,
                  Quoted(*own));
}

// Adds the tensors of part `number`, counted from 0.
Status AddPart(const std::string& path, int64_t number, int64_t count, GgufFiles* files) {
  auto part = OpenPart(path);
  if (!part) return Annotate(part.error(), fmt::format("part {} of {} of a split model", number + 1, count));
  ASSIGN_OR_RETURN(const int64_t own_number, Number(*part, kNumber));
  if (own_number != number) {
    return DataLoss("{}: metadata key 'split.no' is {}, expected {}", path, own_number, number);
  }
  ASSIGN_OR_RETURN(const int64_t own_count, Number(*part, kCount));
  if (own_count != count) {
    return DataLoss("{}: metadata key 'split.count' is {}, expected {} as in the first part", path, own_count,
                    count);
  }
  RETURN_IF_ERROR(ExpectSameArchitecture(*part, files->contents.metadata));
  for (const TensorView& tensor : part->gguf.tensors.all()) {
    if (!files->contents.tensors.Add(tensor)) {
      return DataLoss("{}: tensor {} is in an earlier part too", path, Quoted(tensor.name));
    }
  }
  files->files.push_back(std::move(part->file));
  return OkStatus();
}

}  // namespace

Result<GgufFiles> OpenGgufFiles(const std::string& path) {
  ASSIGN_OR_RETURN(Part first, OpenPart(path));
  int64_t count = 0;
  if (first.gguf.metadata.contains(kCount)) {
    ASSIGN_OR_RETURN(count, Number(first, kCount));
  }
  if (count == 0 || count == 1) return GgufFiles{std::move(first.gguf), {first.file}};
  if (count < 0 || count > kGgufMaxParts) {
    return InvalidArgument("{}: metadata key 'split.count' is {}, the limit is 0 to {}", path, count,
                           kGgufMaxParts);
  }
  ASSIGN_OR_RETURN(const int64_t number, Number(first, kNumber));
  if (number < 0 || number >= count) {
    return DataLoss("{}: metadata key 'split.no' is {}, the limit is 0 to {}", path, number, count - 1);
  }
  ASSIGN_OR_RETURN(const std::string prefix, Prefix(path, number, count));
  if (number != 0) {
    return InvalidArgument("{}: this is part {} of {}; open the first part, '{}'", path, number + 1, count,
                           prefix + Ending(0, count));
  }
  ASSIGN_OR_RETURN(const int64_t tensors, Number(first, kTensors));
  GgufFiles files{std::move(first.gguf), {first.file}};
  for (int64_t part = 1; part < count; ++part) {
    RETURN_IF_ERROR(AddPart(prefix + Ending(part, count), part, count, &files));
  }
  const auto found = static_cast<int64_t>(files.contents.tensors.all().size());
  if (tensors != found) {
    return DataLoss("{}: metadata key 'split.tensors.count' is {}, but the {} parts have {} tensors", path,
                    tensors, count, found);
  }
  return files;
}

std::string GgufModelName(const std::filesystem::path& path) {
  std::string stem = path.stem().string();
  constexpr std::string_view kPattern = "-#####-of-#####";
  if (stem.size() <= kPattern.size()) return stem;
  const size_t at = stem.size() - kPattern.size();
  for (size_t i = 0; i < kPattern.size(); ++i) {
    const char c = stem[at + i];
    if (kPattern[i] == '#' ? c < '0' || c > '9' : c != kPattern[i]) return stem;
  }
  return stem.substr(0, at);
}

}  // namespace exeunt
