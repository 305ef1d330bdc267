#include "coordinator/gateway/cors.h"

#include <fmt/format.h>

#include <algorithm>

#include "coordinator/gateway/header_values.h"
#include "coordinator/openai/api_error.h"
#include "coordinator/openai/json_text.h"

namespace exeunt::coordinator {
namespace {

// The time for which a browser may cache a preflight.
constexpr int kMaxAgeSeconds = 600;
// The limit of the header names that are sent back. It is far above what clients ask for.
constexpr size_t kMaxNamesBytes = 4096;

// Returns the names of a list that can be header names, in lower case, such as "authorization, x-title".
std::string HeaderNames(std::string_view requested) {
  std::string names;
  for (const std::string_view name : ElementsOf(requested)) {
    if (!std::all_of(name.begin(), name.end(), IsTokenCharacter)) continue;
    if (names.size() + name.size() + 2 > kMaxNamesBytes) break;
    names += (names.empty() ? "" : ", ") + LowerCase(name);
  }
  return names;
}

}  // namespace

std::string CorsPolicy::Allowed(std::string_view origin) const {
  if (origin.empty()) return {};
  if (std::find(origins_.begin(), origins_.end(), "*") != origins_.end()) return "*";
  const bool known = std::any_of(origins_.begin(), origins_.end(), [origin](const std::string& allowed) {
    return EqualsInAnyCase(allowed, origin);
  });
  return known ? std::string(origin) : "";
}

HttpHeaders CorsPolicy::AnswerHeaders(std::string_view origin) const {
  if (!enabled()) return {};
  HttpHeaders headers{{"Vary", "Origin"}};
  if (const std::string allowed = Allowed(origin); !allowed.empty()) {
    headers.emplace_back("Access-Control-Allow-Origin", allowed);
    headers.emplace_back("Access-Control-Expose-Headers", "x-request-id, retry-after, x-should-retry");
  }
  return headers;
}

HttpResponse CorsPolicy::Preflight(const CorsPreflight& asked) const {
  if (Allowed(asked.origin).empty()) {
    return {
        .status = 403,
        .body = ErrorBody(ErrorOfStatus(
            403, fmt::format("the page's origin '{}' is not one of --cors-origin", Excerpt(asked.origin))))};
  }
  HttpResponse response{.status = 204};
  response.headers.emplace_back("Vary",
                                "Access-Control-Request-Headers, Access-Control-Request-Private-Network");
  response.headers.emplace_back("Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS");
  if (const std::string names = HeaderNames(asked.headers); !names.empty())
    response.headers.emplace_back("Access-Control-Allow-Headers", names);
  if (asked.private_network) response.headers.emplace_back("Access-Control-Allow-Private-Network", "true");
  response.headers.emplace_back("Access-Control-Max-Age", std::to_string(kMaxAgeSeconds));
  return response;
}

}  // namespace exeunt::coordinator
