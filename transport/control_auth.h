// The shared secret of a cluster, and the proofs by which coordinator and worker show each other that they
// know it without sending it (HMAC-SHA256 over the other side's nonce; see control.proto). Thread-safe: pure
// functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace exeunt::transport {

inline constexpr size_t kControlNonceBytes = 32;
inline constexpr size_t kMinControlSecretBytes = 16;

// Which worker of which job: a connection's identity once it is proved.
struct WorkerId {
  uint32_t pipeline = 0;
  uint64_t epoch = 0;
  uint32_t rank = 0;
  friend auto operator<=>(const WorkerId&, const WorkerId&) = default;
};

// From the operating system's generator.
std::string NewControlNonce();
// 32 random bytes as hex: fit for an environment variable.
std::string NewControlSecret();

// The secret in the file named by EXEUNT_SECRET_FILE (trailing white space dropped), else in EXEUNT_SECRET.
// NotFound where neither is set; InvalidArgument where it is shorter than kMinControlSecretBytes.
Result<std::string> LoadControlSecret();
Result<std::string> ReadControlSecretFile(const std::string& path);

std::string CoordinatorProof(std::string_view secret, std::string_view hello_nonce);
std::string WorkerProof(std::string_view secret, std::string_view challenge_nonce, const WorkerId& id);
// In constant time.
bool ProofsEqual(std::string_view a, std::string_view b);

}  // namespace exeunt::transport
