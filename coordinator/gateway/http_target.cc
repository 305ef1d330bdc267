#include "coordinator/gateway/http_target.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/error.h"
#include "coordinator/gateway/header_values.h"
#include "coordinator/openai/json_text.h"

namespace exeunt::coordinator {
namespace {

std::string PercentDecoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned char value = 0;
    const char* digits = text.data() + i + 1;
    const bool escape = text[i] == '%' && i + 2 < text.size() &&
                        std::from_chars(digits, digits + 2, value, 16).ptr == digits + 2;
    out += escape ? static_cast<char>(value) : text[i];
    if (escape) i += 2;
  }
  return out;
}

std::string PathOf(std::string_view text) { return PercentDecoded(text.substr(0, text.find_first_of("?#"))); }

}  // namespace

Result<HttpTarget> ParseTarget(std::string_view target) {
  const size_t scheme_end = target.find("://");
  const bool absolute = scheme_end != std::string_view::npos && target.find_first_of("/?#") > scheme_end;
  if (!absolute) return HttpTarget{PathOf(target), ""};
  const std::string_view scheme = target.substr(0, scheme_end);
  if (!EqualsInAnyCase(scheme, "http") && !EqualsInAnyCase(scheme, "https")) {
    return InvalidArgument("the target's scheme is '{}', it must be http or https", Excerpt(scheme));
  }
  const std::string_view rest = target.substr(scheme_end + 3);
  const size_t path_begin = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view authority = rest.substr(0, path_begin);
  if (const size_t user_end = authority.rfind('@'); user_end != std::string_view::npos)
    authority.remove_prefix(user_end + 1);
  if (authority.empty()) return InvalidArgument("the target '{}' names no host", Excerpt(target));
  std::string path = PathOf(rest.substr(path_begin));
  return HttpTarget{path.empty() ? std::string(1, '/') : std::move(path), std::string(authority)};
}

}  // namespace exeunt::coordinator
