#include "coordinator/gateway/cors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "coordinator/openai/api_error.h"

namespace exeunt {
namespace {

// What a browser may remember of a preflight.
constexpr int kMaxAgeSeconds = 600;

// What the OpenAI clients send, and what this API reads.
bool MaySend(std::string_view name) {
  return name == "authorization" || name == "content-type" || name == "x-request-id" ||
         name.starts_with("openai-") || name.starts_with("x-stainless-");
}

// Of a list with commas, in lower case: those that may be sent, "authorization, content-type".
std::string Sendable(std::string_view requested) {
  std::string allowed, name;
  const auto end_name = [&] {
    if (MaySend(name)) allowed += (allowed.empty() ? "" : ", ") + name;
    name.clear();
  };
  for (const char c : requested) {
    const auto letter = static_cast<unsigned char>(c);
    if (c == ',') {
      end_name();
    } else if (std::isalnum(letter) != 0 || c == '-') {
      name += static_cast<char>(std::tolower(letter));
    }
  }
  end_name();
  return allowed;
}

}  // namespace

std::string CorsPolicy::Allowed(std::string_view origin) const {
  if (origin.empty()) return {};
  if (std::find(origins_.begin(), origins_.end(), "*") != origins_.end()) return "*";
  const auto known = std::find(origins_.begin(), origins_.end(), origin);
  return known == origins_.end() ? std::string() : *known;
}

HttpHeaders CorsPolicy::AnswerHeaders(std::string_view origin) const {
  if (!enabled()) return {};
  HttpHeaders headers{{"Vary", "Origin"}};
  if (const std::string allowed = Allowed(origin); !allowed.empty()) {
    headers.emplace_back("Access-Control-Allow-Origin", allowed);
    headers.emplace_back("Access-Control-Expose-Headers", "x-request-id, retry-after");
  }
  return headers;
}

HttpResponse CorsPolicy::Preflight(std::string_view origin, std::string_view requested_headers) const {
  if (Allowed(origin).empty()) {
    return {.status = 403,
            .body = ErrorBody(ErrorOfStatus(403, "the page's origin is not one of --cors-origin"))};
  }
  HttpResponse response{.status = 204};
  response.headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
  if (const std::string headers = Sendable(requested_headers); !headers.empty())
    response.headers.emplace_back("Access-Control-Allow-Headers", headers);
  response.headers.emplace_back("Access-Control-Max-Age", std::to_string(kMaxAgeSeconds));
  return response;
}

}  // namespace exeunt
