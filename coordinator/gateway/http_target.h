// Parses the target of an HTTP request. It is "/path?query", "*", or, for proxies, "http://host:8080/path".
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace exeunt::coordinator {

struct HttpTarget {
  std::string path;  // without query and fragment, with %XX decoded once
  // "host:8080" of an absolute target, else "". It replaces the Host header.
  std::string authority;
};

// An error says what is wrong with the target. The scheme of an absolute target must be http or https (in any
// case), and the target must name a host (RFC 9112, 3.2.2).
Result<HttpTarget> ParseTarget(std::string_view target);

}  // namespace exeunt::coordinator
