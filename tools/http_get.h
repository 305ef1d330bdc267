// Makes a GET request over HTTP/1.1, plain or TLS, with a deadline.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace exeunt::tools {

struct HttpAddress {
  std::string host;
  std::string port;
  bool tls = false;
};

// Parses "http[s]://HOST[:PORT]" or "HOST[:PORT]". An IPv6 address is in brackets. A '/' may follow. The
// default port is 80 or 443. Anything else, such as a path, is an error that says so.
Result<HttpAddress> ParseHttpAddress(std::string_view url);

struct HttpAnswer {
  int status = 0;
  std::string body;  // at most 64 MiB
};

struct HttpGetOptions {
  std::string bearer;                                 // key to send, or ""
  std::string ca_file;                                // PEM file of trusted certificates; "": the system's
  bool insecure = false;                              // accepts any certificate
  Duration limit = std::chrono::seconds(5);           // for the whole request, with name look-up
  std::function<bool()> stop = [] { return false; };  // called every tenth of a second; true ends the request
};

Result<HttpAnswer> HttpGet(const HttpAddress& address, const std::string& path,
                           const HttpGetOptions& options);

}  // namespace exeunt::tools
