// CorsPolicy decides which web pages of other origins may use the API from a browser.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coordinator/gateway/http.h"

namespace exeunt::coordinator {

// The headers of a preflight request, unchanged. A missing header is "".
struct CorsPreflight {
  std::string_view origin;
  std::string_view headers;      // Access-Control-Request-Headers
  bool private_network = false;  // Access-Control-Request-Private-Network: true
};

class CorsPolicy {
 public:
  CorsPolicy() = default;  // no origins: the server does not use CORS
  // Origins look like "https://chat.example". "*" stands for all.
  explicit CorsPolicy(std::vector<std::string> origins) : origins_(std::move(origins)) {}

  bool enabled() const { return !origins_.empty(); }
  // Returns the headers that every answer to a request from `origin` needs beside its own. `origin` is the
  // header, or "".
  HttpHeaders AnswerHeaders(std::string_view origin) const;
  // Returns the answer to a preflight, without AnswerHeaders. It is 204 with the headers that were asked for,
  // or 403 for other origins.
  HttpResponse Preflight(const CorsPreflight& asked) const;

 private:
  // Returns the origin to send back: "*", the origin unchanged (its case does not matter), or "".
  std::string Allowed(std::string_view origin) const;

  std::vector<std::string> origins_;
};

}  // namespace exeunt::coordinator
