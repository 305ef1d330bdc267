// The addresses that a server's host stands for.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace exeunt {

// "127.0.0.1", "::1", "[::1]", or a name, which is looked up: all of its addresses, each once, at least one.
// Blocks for `limit` at most; an error names the host.
Result<std::vector<boost::asio::ip::address>> ListenAddresses(const std::string& host, Duration limit);

// "[::1]" of "::1", as it stands before ":8080"; other hosts as they are.
std::string BracketedHost(const std::string& host);
// The reverse.
std::string WithoutBrackets(const std::string& host);

}  // namespace exeunt
