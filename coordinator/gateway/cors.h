// CorsPolicy: which web pages of other origins a browser lets use the API.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coordinator/gateway/http.h"

namespace exeunt {

class CorsPolicy {
 public:
  CorsPolicy() = default;  // none: as if there were no CORS
  // Such as "https://chat.example"; "*" stands for all.
  explicit CorsPolicy(std::vector<std::string> origins) : origins_(std::move(origins)) {}

  bool enabled() const { return !origins_.empty(); }
  // What every answer to a request from `origin` (the header; "": none) has beside its own headers.
  HttpHeaders AnswerHeaders(std::string_view origin) const;
  // The answer to a preflight that asks for these headers, beside AnswerHeaders: 204, or 403 to other
  // origins.
  HttpResponse Preflight(std::string_view origin, std::string_view requested_headers) const;

 private:
  // As it is sent back: "*", the origin, or "".
  std::string Allowed(std::string_view origin) const;

  std::vector<std::string> origins_;
};

}  // namespace exeunt
