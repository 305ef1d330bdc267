// CorsPolicy: which web pages of other origins a browser lets use the API.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coordinator/gateway/http.h"

namespace exeunt::coordinator {

// The headers of a preflight, as they came; "" where one is missing.
struct CorsPreflight {
  std::string_view origin;
  std::string_view headers;      // Access-Control-Request-Headers
  bool private_network = false;  // Access-Control-Request-Private-Network: true
};

class CorsPolicy {
 public:
  CorsPolicy() = default;  // none: as if there were no CORS
  // Such as "https://chat.example"; "*" stands for all.
  explicit CorsPolicy(std::vector<std::string> origins) : origins_(std::move(origins)) {}

  bool enabled() const { return !origins_.empty(); }
  // What every answer to a request from `origin` (the header; "": none) has beside its own headers.
  HttpHeaders AnswerHeaders(std::string_view origin) const;
  // The answer to a preflight, beside AnswerHeaders: 204 with the headers that were asked for, or 403 to
  // other origins.
  HttpResponse Preflight(const CorsPreflight& asked) const;

 private:
  // As it is sent back: "*", the origin as it came (its case does not matter), or "".
  std::string Allowed(std::string_view origin) const;

  std::vector<std::string> origins_;
};

}  // namespace exeunt::coordinator
