#include "coordinator/gateway/api_keys.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>
#include <sstream>

#include "base/error.h"
#include "base/log.h"
#include "coordinator/gateway/header_values.h"

namespace exeunt::coordinator {
namespace {

constexpr size_t kMaxNameBytes = 64;
// The limit is far above the size of kMaxApiKeys of the longest lines.
constexpr size_t kMaxFileBytes = size_t{1} << 20;

std::vector<std::string> WordsOf(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(std::move(word));
  return words;
}

bool IsName(std::string_view name) {
  return name.size() <= kMaxNameBytes && std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-' || c == '@';
         });
}

// Returns what is wrong with the key, or "".
std::string Fault(std::string_view key) {
  if (key.size() < kMinApiKeyBytes || key.size() > kMaxApiKeyBytes) {
    return fmt::format("the key has {} characters, it must have {} to {}", key.size(), kMinApiKeyBytes,
                       kMaxApiKeyBytes);
  }
  const bool printable = std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c <= '~'; });
  return printable ? "" : "the key has characters that are not printable ASCII";
}

}  // namespace

ApiKeys::Digest ApiKeys::DigestOf(std::string_view key) {
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
  return digest;
}

Result<ApiKeys> ApiKeys::Parse(std::string_view text, const std::string& where) {
  ApiKeys keys;
  std::map<Digest, int> lines;
  std::istringstream stream{std::string(text)};
  int number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    const std::vector<std::string> words = WordsOf(line);
    if (words.empty() || words.front().starts_with('#')) continue;
    const std::string at = fmt::format("{}, line {}", where, number);
    if (words.size() > 2) return InvalidArgument("{}: {} words, not NAME KEY or KEY", at, words.size());
    const std::string name = words.size() == 2 ? words.front() : fmt::format("key-{}", number);
    if (!IsName(name)) {
      return InvalidArgument("{}: the name must be at most {} letters, digits and ._-@", at, kMaxNameBytes);
    }
    if (const std::string fault = Fault(words.back()); !fault.empty())
      return InvalidArgument("{}: {}", at, fault);
    const Digest digest = DigestOf(words.back());
    const auto [first, fresh] = lines.try_emplace(digest, number);
    if (!fresh) return InvalidArgument("{}: the key is that of line {}", at, first->second);
    if (keys.size() == kMaxApiKeys) return InvalidArgument("{}: over {} keys", at, kMaxApiKeys);
    keys.keys_.push_back({name, digest});
  }
  if (keys.empty()) return InvalidArgument("{}: there is no key in it", where);
  return keys;
}

Result<ApiKeys> ApiKeys::Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxFileBytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) return NotFound("key file '{}' cannot be read", path);
  if (!file.eof()) return InvalidArgument("key file '{}' is larger than {} bytes", path, kMaxFileBytes);
  text.resize(static_cast<size_t>(file.gcount()));
  struct stat status {};
  if (stat(path.c_str(), &status) == 0 && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    spdlog::warn("key file '{}' is open to others (mode {:o}): chmod 600", path, status.st_mode & 0777U);
  return Parse(text, fmt::format("key file '{}'", path));
}

const std::string* ApiKeys::Find(std::string_view key) const {
  const Digest digest = DigestOf(key);
  const std::string* found = nullptr;
  for (const Key& known : keys_) {  // compares all keys, wherever the match is
    const bool same = CRYPTO_memcmp(known.digest.data(), digest.data(), digest.size()) == 0;
    found = same ? &known.name : found;
  }
  return found;
}

std::string_view BearerKey(std::string_view authorization) {
  const size_t end = std::min(authorization.find_first_of(" \t"), authorization.size());
  if (!EqualsInAnyCase(authorization.substr(0, end), "bearer")) return {};
  return Trimmed(authorization.substr(end));
}

}  // namespace exeunt::coordinator
