// The head of a response as bytes, and ids of requests.
#pragma once

#include <string>
#include <string_view>

#include "coordinator/gateway/http.h"

namespace exeunt {

enum class BodyKind { kFixed, kChunked, kUntilClose };

// Status line and headers up to the empty line.
std::string ResponseHead(const HttpResponse& response, std::string_view request_id, BodyKind kind,
                         bool keep_alive);
// One chunk of a chunked body; "" would end it and gives nothing.
std::string Chunk(std::string_view bytes);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

// The client's id where it is harmless to repeat (at most 128 letters, digits, '.', '_', '-'), else a random
// one.
std::string RequestIdOr(std::string_view from_client);
// `prefix` and 24 random hex digits.
std::string RandomId(std::string_view prefix);

}  // namespace exeunt
