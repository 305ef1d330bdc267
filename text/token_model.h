// TokenModel splits one pre-token (a piece of normalised text) into tokens. Immutable. Thread-safe.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace exeunt::text {

class TokenModel {
 public:
  virtual ~TokenModel() = default;
  // Appends the tokens of `piece`, which is well-formed UTF-8. It takes time O(n log n) in its length.
  virtual void Encode(std::string_view piece, std::vector<int32_t>* ids) const = 0;
};

}  // namespace exeunt::text
