#include "transport/listen_addresses.h"

#include <netdb.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <cstring>
#include <future>
#include <thread>
#include <utility>

#include "base/error.h"

namespace exeunt::transport {
namespace {

using boost::asio::ip::address;
using boost::asio::ip::tcp;

// The limit is far above the addresses of a machine. The rest of a longer list is dropped.
constexpr size_t kMaxAddresses = 64;

AddressList AddressesOf(const addrinfo* list) {
  AddressList addresses;
  for (const addrinfo* info = list; info != nullptr && addresses.size() < kMaxAddresses;
       info = info->ai_next) {
    tcp::endpoint endpoint;
    if (info->ai_addrlen > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), info->ai_addr, info->ai_addrlen);
    if (std::find(addresses.begin(), addresses.end(), endpoint.address()) == addresses.end())
      addresses.push_back(endpoint.address());
  }
  return addresses;
}

}  // namespace

Result<AddressList> LookUpAddresses(const std::string& name) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* list = nullptr;
  const int failed = getaddrinfo(name.c_str(), nullptr, &hints, &list);
  if (failed != 0) return NotFound("host '{}': {}", name, gai_strerror(failed));
  AddressList addresses = AddressesOf(list);
  freeaddrinfo(list);
  if (addresses.empty()) return NotFound("host '{}' has no address", name);
  return addresses;
}

Result<AddressList> ListenAddresses(const std::string& host, Duration limit, AddressLookUp look_up) {
  const std::string name = WithoutBrackets(host);
  boost::system::error_code error;
  const address literal = boost::asio::ip::make_address(name, error);
  if (!error) return AddressList{literal};
  if (name.empty() || name.find('\0') != std::string::npos)
    return InvalidArgument("host '{}' is neither an address nor a name", host);
  // The resolver cannot be interrupted. A look-up that is too late ends by itself and its result is dropped.
  std::packaged_task<Result<AddressList>()> task(
      [name, look_up = std::move(look_up)] { return look_up(name); });
  auto found = task.get_future();
  std::thread(std::move(task)).detach();
  if (found.wait_for(limit) == std::future_status::ready) return found.get();
  return DeadlineExceeded("host '{}' could not be looked up within {} s", host, Seconds(limit));
}

std::string BracketedHost(const std::string& host) {
  return host.find(':') == std::string::npos || host.starts_with('[') ? host : '[' + host + ']';
}

std::string WithoutBrackets(const std::string& host) {
  const bool bracketed = host.size() > 2 && host.starts_with('[') && host.ends_with(']');
  return bracketed ? host.substr(1, host.size() - 2) : host;
}

}  // namespace exeunt::transport
