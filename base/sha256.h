// Sha256 hashes bytes that come in pieces.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>

#include <cstddef>
#include <memory>
#include <string>

#include "base/check.h"

namespace exeunt {

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    CHECK(context_ != nullptr);
    CHECK_EQ(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr), 1);
  }

  void Update(const void* data, size_t size_bytes) {
    CHECK_EQ(EVP_DigestUpdate(context_.get(), data, size_bytes), 1);
  }

  // Ends the hash. No bytes can be added afterwards.
  std::string Hex() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    CHECK_EQ(EVP_DigestFinal_ex(context_.get(), digest, &size), 1);
    return fmt::format("{:02x}", fmt::join(digest, digest + size, ""));
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace exeunt
