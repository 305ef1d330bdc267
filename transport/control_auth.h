// The shared secret of a cluster. Coordinator and worker prove to each other that they know it, without
// sending it. A proof is an HMAC-SHA256 over the other side's nonce (see control.proto). Thread-safe: pure
// functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace exeunt::transport {

inline constexpr size_t kControlNonceBytes = 32;
inline constexpr size_t kMinControlSecretBytes = 16;

// The worker of a connection and its job, once the connection is proved.
struct WorkerId {
  uint32_t pipeline = 0;
  uint64_t epoch = 0;
  uint32_t rank = 0;
  friend auto operator<=>(const WorkerId&, const WorkerId&) = default;
};

// Returns a nonce from the operating system's generator.
std::string NewControlNonce();
// Returns 32 random bytes as hex, which fit an environment variable.
std::string NewControlSecret();

// Returns the secret in the file that EXEUNT_SECRET_FILE names, without trailing white space. If that is not
// set, it is the secret in EXEUNT_SECRET. The error is NotFound if neither is set, and InvalidArgument if the
// secret is shorter than kMinControlSecretBytes.
Result<std::string> LoadControlSecret();
Result<std::string> ReadControlSecretFile(const std::string& path);

std::string CoordinatorProof(std::string_view secret, std::string_view hello_nonce);
std::string WorkerProof(std::string_view secret, std::string_view challenge_nonce, const WorkerId& id);
// Compares in constant time.
bool ProofsEqual(std::string_view a, std::string_view b);

}  // namespace exeunt::transport
