// The target of an HTTP request: "/path?query", "http://host:8080/path" as proxies get it, or "*".
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace exeunt::coordinator {

struct HttpTarget {
  std::string path;       // without query and fragment, its %XX decoded once
  std::string authority;  // "host:8080" of an absolute target, which then stands for the Host header; else ""
};

// An error names what is wrong with the target: the scheme of an absolute one must be http or https (in any
// case), and it must name a host (RFC 9112, 3.2.2).
Result<HttpTarget> ParseTarget(std::string_view target);

}  // namespace exeunt::coordinator
