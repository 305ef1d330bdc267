// ApiKeys decides who may use the REST API. Keys are only kept as SHA-256 digests.
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
  // Reads a file with one line `NAME KEY`, or just `KEY`, for each key. Without a name the name is key-LINE.
  // Empty lines and lines that begin with '#' are skipped. Several keys of one name belong to one client.
  // Errors name file and line, never a key. The log warns of a file that others may read.
  static Result<ApiKeys> Read(const std::string& path);
  // Errors name `where` instead of a file.
  static Result<ApiKeys> Parse(std::string_view text, const std::string& where);

  // Returns whether nobody needs a key.
  bool empty() const { return keys_.empty(); }
  size_t size() const { return keys_.size(); }
  // Returns the name of the key's client, or null. It takes the same time for every key.
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

// Returns the key of `Authorization: Bearer KEY`, or "" if the header does not have that form.
std::string_view BearerKey(std::string_view authorization);

}  // namespace exeunt::coordinator
