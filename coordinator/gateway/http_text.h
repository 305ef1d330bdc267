// The head of a response as bytes, lines of a request, and ids of requests.
#pragma once

#include <string>
#include <string_view>

#include "coordinator/gateway/http.h"

namespace exeunt::coordinator {

enum class BodyKind { kFixed, kChunked, kUntilClose };

// Status line and headers up to the empty line.
std::string ResponseHead(const HttpResponse& response, std::string_view request_id, BodyKind kind,
                         bool keep_alive);
// One chunk of a chunked body; "" would end it and gives nothing.
std::string Chunk(std::string_view bytes);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

// Bytes of the empty lines that come before a request: some clients send one behind a body (RFC 9112, 2.2).
size_t EmptyLinesBefore(std::string_view input);
// A line of a header ends with LF alone: not taken for its end, which a proxy in front might take otherwise.
bool HasBareLineFeed(std::string_view header);

// The client's id where it is harmless to repeat (at most 128 letters, digits, '.', '_', '-'), else a random
// one.
std::string RequestIdOr(std::string_view from_client);
// `prefix` and 24 random hex digits.
std::string RandomId(std::string_view prefix);

}  // namespace exeunt::coordinator
