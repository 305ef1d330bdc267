#include "tools/http_get.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <optional>

#include "base/error.h"

namespace exeunt::tools {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = boost::asio::ssl;
using boost::asio::ip::tcp;
using boost::system::error_code;

constexpr uint64_t kMaxBodyBytes = uint64_t{64} << 20;

// Sets which certificates prove that the server is `host`.
Status Prepare(const HttpGetOptions& options, const std::string& host, ssl::context* tls) {
  error_code error;
  if (options.insecure) return OkStatus();
  if (options.ca_file.empty()) {
    tls->set_default_verify_paths(error);
  } else {
    tls->load_verify_file(options.ca_file, error);
  }
  if (error) return InvalidArgument("certificates '{}': {}", options.ca_file, error.message());
  tls->set_verify_mode(ssl::verify_peer);
  tls->set_verify_callback(ssl::host_name_verification(host));
  return OkStatus();
}

// One request, step by step. `ended` is set with or without an error.
class Request {
 public:
  Request(boost::asio::io_context* io, ssl::context* tls, const HttpAddress& address, const std::string& path,
          const std::string& bearer)
      : resolver_(*io), stream_(*io, *tls), address_(address) {
    request_ = {http::verb::get, path, 11};
    request_.set(http::field::host, address.host + ":" + address.port);
    request_.set(http::field::connection, "close");
    if (!bearer.empty()) request_.set(http::field::authorization, "Bearer " + bearer);
    parser_.body_limit(kMaxBodyBytes);
  }
  void Start() {
    resolver_.async_resolve(address_.host, address_.port, [this](error_code error, const auto& found) {
      if (error) return End(error);
      boost::asio::async_connect(stream_.next_layer(), found, [this](error_code failed, const auto&) {
        if (failed) return End(failed);
        address_.tls ? Handshake() : Exchange(&stream_.next_layer());
      });
    });
  }
  const std::optional<error_code>& ended() const { return ended_; }
  HttpAnswer TakeAnswer() {
    return {static_cast<int>(parser_.get().result_int()), std::move(parser_.get().body())};
  }

 private:
  void Handshake() {
    SSL_set_tlsext_host_name(stream_.native_handle(), address_.host.c_str());
    stream_.async_handshake(ssl::stream_base::client, [this](error_code error) {
      if (error) return End(error);
      Exchange(&stream_);
    });
  }
  template <typename Stream>
  void Exchange(Stream* stream) {
    http::async_write(*stream, request_, [this, stream](error_code error, size_t) {
      if (error) return End(error);
      http::async_read(*stream, buffer_, parser_, [this](error_code failed, size_t) { End(failed); });
    });
  }
  void End(error_code error) { ended_ = error; }

  tcp::resolver resolver_;
  ssl::stream<tcp::socket> stream_;  // a plain request uses only its socket
  const HttpAddress address_;
  http::request<http::empty_body> request_;
  http::response_parser<http::string_body> parser_;
  beast::flat_buffer buffer_;
  std::optional<error_code> ended_;
};

}  // namespace

Result<HttpAddress> ParseHttpAddress(std::string_view url) {
  const std::string_view given = url;
  bool tls = false;
  if (const size_t end = url.find("://"); end != std::string_view::npos) {
    const std::string_view scheme = url.substr(0, end);
    tls = scheme == "https";
    if (!tls && scheme != "http")
      return InvalidArgument("'{}': only http:// and https:// are understood", given);
    url.remove_prefix(end + 3);
  }
  if (url.ends_with('/')) url.remove_suffix(1);
  if (url.find('/') != std::string_view::npos) return InvalidArgument("'{}': it must not have a path", given);
  const size_t bracket = url.rfind(']');
  const size_t colon = url.rfind(':');
  const bool has_port =
      colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  HttpAddress address{std::string(url.substr(0, has_port ? colon : url.size())),
                      std::string(has_port ? url.substr(colon + 1) : (tls ? "443" : "80")), tls};
  if (address.host.starts_with('[') && address.host.ends_with(']')) {
    address.host = address.host.substr(1, address.host.size() - 2);
  }
  const bool digits = address.port.find_first_not_of("0123456789") == std::string::npos;
  if (address.host.empty() || address.port.empty() || address.port.size() > 5 || !digits) {
    return InvalidArgument("'{}' is no http[s]://HOST:PORT", given);
  }
  return address;
}

Result<HttpAnswer> HttpGet(const HttpAddress& address, const std::string& path,
                           const HttpGetOptions& options) {
  boost::asio::io_context io{1};
  ssl::context tls(ssl::context::tls_client);
  RETURN_IF_ERROR(Prepare(options, address.host, &tls));
  Request request(&io, &tls, address, path, options.bearer);
  request.Start();
  const TimePoint deadline = MonotonicNow() + options.limit;
  while (!request.ended()) {
    if (options.stop()) return Unavailable("interrupted");
    if (MonotonicNow() >= deadline)
      return DeadlineExceeded("no answer within {:.0f} s", Seconds(options.limit));
    io.run_one_for(std::chrono::milliseconds(100));
  }
  if (*request.ended()) return Unavailable("{}", request.ended()->message());
  return request.TakeAnswer();
}

}  // namespace exeunt::tools
