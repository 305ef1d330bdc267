// ApiKeys: who may use the REST API. Keys are kept as SHA-256 digests alone.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace exeunt::coordinator {

inline constexpr size_t kMaxApiKeys = 1024;
inline constexpr size_t kMinApiKeyBytes = 16;
inline constexpr size_t kMaxApiKeyBytes = 512;

class ApiKeys {
 public:
  // A file with a line `NAME KEY`, or just `KEY` (its name is then key-LINE), for each; empty lines and those
  // that begin with '#' are skipped. Several keys of one name are one client's. Errors name file and line,
  // never a key. A file that others may read is warned of in the log.
  static Result<ApiKeys> Read(const std::string& path);
  // `where` stands in errors for the file.
  static Result<ApiKeys> Parse(std::string_view text, const std::string& where);

  // Nobody needs a key.
  bool empty() const { return keys_.empty(); }
  size_t size() const { return keys_.size(); }
  // The name of whose key it is, or null. Takes as long for one key as for another.
  const std::string* Find(std::string_view key) const;

 private:
  using Digest = std::array<unsigned char, 32>;
  struct Key {
    std::string name;
    Digest digest;
  };
  static Digest DigestOf(std::string_view key);

  std::vector<Key> keys_;
};

// The key of `Authorization: Bearer KEY`; "" where the header is none of that form.
std::string_view BearerKey(std::string_view authorization);

}  // namespace exeunt::coordinator
