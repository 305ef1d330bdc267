#include "transport/control_auth.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/check.h"
#include "base/error.h"

namespace exeunt::transport {
namespace {

std::string HmacSha256(std::string_view key, const std::string& data) {
  std::string out(32, '\0');
  unsigned size = 0;
  const unsigned char* ok = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                                 reinterpret_cast<const unsigned char*>(data.data()), data.size(),
                                 reinterpret_cast<unsigned char*>(out.data()), &size);
  CHECK_MSG(ok != nullptr && size == out.size(), "HMAC-SHA256 failed");
  return out;
}

void AppendLittleEndian(uint64_t value, std::string* out) {
  for (int i = 0; i < 8; ++i) out->push_back(static_cast<char>(value >> (8 * i) & 0xFF));
}

Result<std::string> CheckedSecret(std::string secret, const std::string& where) {
  while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r' || secret.back() == ' ')) {
    secret.pop_back();
  }
  if (secret.size() < kMinControlSecretBytes) {
    return InvalidArgument("{}: the secret has {} bytes, it needs at least {}", where, secret.size(),
                           kMinControlSecretBytes);
  }
  return secret;
}

}  // namespace

std::string NewControlNonce() {
  std::string nonce(kControlNonceBytes, '\0');
  const int ok = RAND_bytes(reinterpret_cast<unsigned char*>(nonce.data()), static_cast<int>(nonce.size()));
  CHECK_MSG(ok == 1, "the operating system gave no random bytes");
  return nonce;
}

std::string NewControlSecret() {
  std::string hex;
  for (const char byte : NewControlNonce()) hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return hex;
}

Result<std::string> ReadControlSecretFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return NotFound("secret file '{}' cannot be read", path);
  std::stringstream text;
  text << file.rdbuf();
  return CheckedSecret(text.str(), path);
}

Result<std::string> LoadControlSecret() {
  if (const char* path = std::getenv("EXEUNT_SECRET_FILE"); path != nullptr && *path != '\0') {
    return ReadControlSecretFile(path);
  }
  const char* secret = std::getenv("EXEUNT_SECRET");
  if (secret == nullptr || *secret == '\0') {
    return NotFound("neither EXEUNT_SECRET_FILE nor EXEUNT_SECRET is set");
  }
  return CheckedSecret(secret, "EXEUNT_SECRET");
}

std::string CoordinatorProof(std::string_view secret, std::string_view hello_nonce) {
  return HmacSha256(secret, "coordinator" + std::string(hello_nonce));
}

std::string WorkerProof(std::string_view secret, std::string_view challenge_nonce, const WorkerId& id) {
  std::string data = "worker" + std::string(challenge_nonce);
  AppendLittleEndian(id.pipeline, &data);
  AppendLittleEndian(id.epoch, &data);
  AppendLittleEndian(id.rank, &data);
  return HmacSha256(secret, data);
}

bool ProofsEqual(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace exeunt::transport
