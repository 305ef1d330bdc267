// HttpServer: HTTP/1.1 on TCP or TLS, with limits on everything that a client can make it keep or wait for.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "coordinator/gateway/cors.h"
#include "coordinator/gateway/http.h"

namespace boost::asio {
class io_context;
namespace ssl {
class context;
}
}  // namespace boost::asio

namespace exeunt::coordinator {

struct HttpServerOptions {
  std::string host = "0.0.0.0";  // an address or a name: all of a name's addresses
  uint16_t port = 8080;          // 0: any free one
  size_t max_header_bytes = 16 << 10;
  size_t max_body_bytes = size_t{4} << 20;
  size_t max_queued_bytes = size_t{1} << 20;  // of a stream that the client does not read
  int max_connections = 1024;                 // a few more are served one request each, which is `crowded`
  Duration idle_timeout = std::chrono::seconds(75);    // between requests of a connection
  Duration header_timeout = std::chrono::seconds(10);  // from its first byte to its end; of a TLS handshake
  Duration body_timeout = std::chrono::seconds(30);
  Duration write_timeout = std::chrono::seconds(30);  // for each write
  CorsPolicy cors;
  HttpAdmission admit;                         // unset: every request is
  std::function<void(int status)> on_refused;  // a request was answered that neither admit nor handler sees
};

// One thread: everything happens on the io_context's thread, which outlives the server. Detects that a client
// has gone while its answer is prepared. Destroying it closes the port and every connection.
class HttpServer {
 public:
  // Looks the host's name up, for 10 s at most.
  static Result<std::unique_ptr<HttpServer>> Listen(boost::asio::io_context* io,
                                                    const HttpServerOptions& options, HttpHandler handler);
  virtual ~HttpServer() = default;
  virtual uint16_t port() const = 0;
  // Of connections that come from now on; null: plain HTTP.
  virtual void SetTls(std::shared_ptr<boost::asio::ssl::context> tls) = 0;
};

}  // namespace exeunt::coordinator
