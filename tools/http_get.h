// A GET over HTTP/1.1, plain or TLS, with a deadline.
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

// Of "http[s]://HOST[:PORT]" or "HOST[:PORT]", an IPv6 address in brackets, a '/' behind it allowed; the port
// is 80 or 443 by default. Others (a path) are errors that say so.
Result<HttpAddress> ParseHttpAddress(std::string_view url);

struct HttpAnswer {
  int status = 0;
  std::string body;  // 64 MiB at most
};

struct HttpGetOptions {
  std::string bearer;     // the key to send, or ""
  std::string ca_file;    // PEM: whom to believe the server's certificate; "": the system's
  bool insecure = false;  // any certificate will do
  Duration limit = std::chrono::seconds(5);           // for the whole of it, names included
  std::function<bool()> stop = [] { return false; };  // asked every tenth of a second: true ends it
};

Result<HttpAnswer> HttpGet(const HttpAddress& address, const std::string& path,
                           const HttpGetOptions& options);

}  // namespace exeunt::tools
