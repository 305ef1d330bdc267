// A GET over HTTP/1.1 on plain TCP, with a deadline.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace exeunt {

struct HttpAddress {
  std::string host;
  std::string port;
};

// Of "http://HOST[:PORT]" or "HOST[:PORT]", an IPv6 address in brackets, a '/' behind it allowed; the port is
// 80 by default. Others (https, a path) are errors that say so.
Result<HttpAddress> ParseHttpAddress(std::string_view url);

struct HttpAnswer {
  int status = 0;
  std::string body;  // 64 MiB at most
};

// The whole of it, names included, takes `limit` at most; `stop`, asked every tenth of a second, ends it.
// `bearer`: the key to send, or "".
Result<HttpAnswer> HttpGet(const HttpAddress& address, const std::string& path, const std::string& bearer,
                           Duration limit, const std::function<bool()>& stop);

}  // namespace exeunt
