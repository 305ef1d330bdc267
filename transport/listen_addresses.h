// The addresses that a server's host stands for.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace exeunt::transport {

using AddressList = std::vector<boost::asio::ip::address>;
using AddressLookUp = std::function<Result<AddressList>(const std::string& name)>;

// The system's resolver: all addresses of a name, each once, at least one. Blocks as long as it does.
Result<AddressList> LookUpAddresses(const std::string& name);

// "127.0.0.1", "::1", "[::1]", or a name, which is looked up. Blocks for `limit` at most; an error names the
// host.
Result<AddressList> ListenAddresses(const std::string& host, Duration limit,
                                    AddressLookUp look_up = LookUpAddresses);

// "[::1]" of "::1", as it stands before ":8080"; other hosts as they are.
std::string BracketedHost(const std::string& host);
// The reverse.
std::string WithoutBrackets(const std::string& host);

}  // namespace exeunt::transport
