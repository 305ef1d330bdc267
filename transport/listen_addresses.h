// Finds the addresses of a server's host.
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

// Asks the system's resolver for all addresses of a name, at least one and without duplicates. It may block
// for long.
Result<AddressList> LookUpAddresses(const std::string& name);

// Returns the address of "127.0.0.1", "::1" or "[::1]", or looks up a name. It blocks for at most `limit`. An
// error names the host.
Result<AddressList> ListenAddresses(const std::string& host, Duration limit,
                                    AddressLookUp look_up = LookUpAddresses);

// Returns "[::1]" for "::1", as it stands before ":8080". Other hosts are unchanged.
std::string BracketedHost(const std::string& host);
// Reverses BracketedHost.
std::string WithoutBrackets(const std::string& host);

}  // namespace exeunt::transport
