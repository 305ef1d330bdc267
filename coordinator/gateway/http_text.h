// Writes the head of a response, reads lines of a request, and makes request ids.
#pragma once

#include <string>
#include <string_view>

#include "coordinator/gateway/http.h"

namespace exeunt::coordinator {

enum class BodyKind { kFixed, kChunked, kUntilClose };

// Returns the status line and the headers with the empty line.
std::string ResponseHead(const HttpResponse& response, std::string_view request_id, BodyKind kind,
                         bool keep_alive);
// Returns one chunk of a chunked body, or nothing for "", which would end the body.
std::string Chunk(std::string_view bytes);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

// Returns the bytes of empty lines before a request. Some clients send an empty line behind a body (RFC 9112,
// 2.2).
size_t EmptyLinesBefore(std::string_view input);
// Returns whether a line of a header ends with only LF. It is not taken as an end of line, because a proxy in
// front might do so.
bool HasBareLineFeed(std::string_view header);

// Returns the client's id if it is harmless to repeat (at most 128 letters, digits, '.', '_', '-'), else a
// random one.
std::string RequestIdOr(std::string_view from_client);
// Returns `prefix` and 24 random hex digits.
std::string RandomId(std::string_view prefix);

}  // namespace exeunt::coordinator
