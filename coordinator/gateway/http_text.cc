#include "coordinator/gateway/http_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "transport/control_auth.h"

namespace exeunt::coordinator {
namespace {

std::string_view Reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Payload Too Large";
    case 415:
      return "Unsupported Media Type";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "Unknown";
  }
}

}  // namespace

std::string ResponseHead(const HttpResponse& response, std::string_view request_id, BodyKind kind,
                         bool keep_alive) {
  const bool has_body = response.status != 204;
  std::string head = fmt::format("HTTP/1.1 {} {}\r\nServer: exeunt\r\nx-request-id: {}\r\n", response.status,
                                 Reason(response.status), request_id);
  if (has_body) head += fmt::format("Content-Type: {}\r\n", response.content_type);
  for (const auto& [name, value] : response.headers) head += fmt::format("{}: {}\r\n", name, value);
  if (kind == BodyKind::kFixed && has_body)
    head += fmt::format("Content-Length: {}\r\n", response.body.size());
  if (kind == BodyKind::kChunked) head += "Transfer-Encoding: chunked\r\n";
  head += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return head;
}

std::string Chunk(std::string_view bytes) {
  return bytes.empty() ? "" : fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
}

size_t EmptyLinesBefore(std::string_view input) {
  size_t size = 0;
  while (input.substr(size).starts_with("\r\n")) size += 2;
  return size;
}

bool HasBareLineFeed(std::string_view header) {
  for (size_t at = header.find('\n'); at != std::string_view::npos; at = header.find('\n', at + 1)) {
    if (at == 0 || header[at - 1] != '\r') return true;
  }
  return false;
}

std::string RequestIdOr(std::string_view from_client) {
  const bool harmless = !from_client.empty() && from_client.size() <= 128 &&
                        std::all_of(from_client.begin(), from_client.end(), [](unsigned char c) {
                          return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
                        });
  return harmless ? std::string(from_client) : RandomId("req_");
}

std::string RandomId(std::string_view prefix) {
  std::string id(prefix);
  for (const char byte : transport::NewControlNonce().substr(0, 12))
    id += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return id;
}

}  // namespace exeunt::coordinator
