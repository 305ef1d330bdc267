#include "model/model_source.h"

#include <openssl/evp.h>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/mmap.h"
#include "model/gguf_model.h"
#include "model/hf_model.h"
#include "model/model_parts.h"

namespace exeunt {
namespace {

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    CHECK(context_ != nullptr);
    CHECK_EQ(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr), 1);
  }

  void Update(const void* data, size_t size_bytes) {
    CHECK_EQ(EVP_DigestUpdate(context_.get(), data, size_bytes), 1);
  }

  std::string Hex() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    CHECK_EQ(EVP_DigestFinal_ex(context_.get(), digest, &size), 1);
    return fmt::format("{:02x}", fmt::join(digest, digest + size, ""));
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

class FileModel final : public ModelSource {
 public:
  explicit FileModel(ModelParts parts) : parts_(std::move(parts)) {}

  const ModelConfig& config() const override { return parts_.config; }
  const TensorView* Find(std::string_view name) const override { return parts_.tensors.Find(name); }
  const std::vector<TensorView>& tensors() const override { return parts_.tensors.all(); }
  const GgufMetadata& metadata() const override { return parts_.metadata; }
  const std::string& directory() const override { return parts_.directory; }
  void ReleasePages(const TensorView& tensor) const override { exeunt::ReleasePages(tensor.bytes); }

  std::string ContentHash() const override {
    std::call_once(hashed_, [this] { hash_ = ComputeHash(); });
    return hash_;
  }

 private:
  // In the order of names, so that another order in the file is the same model.
  std::string ComputeHash() const {
    std::vector<const TensorView*> ordered;
    for (const TensorView& tensor : tensors()) ordered.push_back(&tensor);
    std::ranges::sort(ordered, {}, [](const TensorView* t) { return std::string_view(t->name); });
    Sha256 sha;
    for (const TensorView* tensor : ordered) {
      const std::string header =
          fmt::format("{}\n{}\n{}\n", tensor->name, Info(tensor->dtype).name, fmt::join(tensor->shape, ","));
      sha.Update(header.data(), header.size());
      sha.Update(tensor->bytes.data(), tensor->bytes.size());
      ReleasePages(*tensor);  // a stage that binds exits to its model keeps only its own layers in memory
    }
    return sha.Hex();
  }

  const ModelParts parts_;
  mutable std::once_flag hashed_;
  mutable std::string hash_;
};

}  // namespace

Result<std::shared_ptr<const ModelSource>> ModelSource::Open(const std::string& path) {
  std::error_code error;
  const bool is_directory = std::filesystem::is_directory(path, error);
  ASSIGN_OR_RETURN(ModelParts parts, is_directory ? LoadHfModel(path) : LoadGgufModel(path));
  auto valid = ValidateTensors(parts.config, parts.tensors);
  if (!valid) return Annotate(valid.error(), path);
  return std::shared_ptr<const ModelSource>(std::make_shared<FileModel>(std::move(parts)));
}

}  // namespace exeunt
