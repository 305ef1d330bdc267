// HttpServer serves HTTP/1.1 on TCP or TLS. Everything that a client can make it keep or wait for has a
// limit.
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
  std::string host = "0.0.0.0";  // an address, or a name with all its addresses
  uint16_t port = 8080;          // 0 for any free port
  size_t max_header_bytes = 16 << 10;
  size_t max_body_bytes = size_t{4} << 20;
  size_t max_queued_bytes = size_t{1} << 20;  // limit of a stream that the client does not read
  int max_connections = 1024;                 // a few more connections serve one `crowded` request each
  Duration idle_timeout = std::chrono::seconds(75);    // between requests of a connection
  Duration header_timeout = std::chrono::seconds(10);  // for the whole header; also for a TLS handshake
  Duration body_timeout = std::chrono::seconds(30);
  Duration write_timeout = std::chrono::seconds(30);  // for each write
  CorsPolicy cors;
  HttpAdmission admit;  // unset: every request is admitted
  // Called for an answer to a request that neither admit nor the handler sees.
  std::function<void(int status)> on_refused;
};

// One thread: everything runs on the io_context's thread. The io_context must outlive the server. The server
// notices a client that goes while its answer is prepared. Destroying it closes the port and every
// connection.
class HttpServer {
 public:
  // Looks up the host's name for at most 10 s.
  static Result<std::unique_ptr<HttpServer>> Listen(boost::asio::io_context* io,
                                                    const HttpServerOptions& options, HttpHandler handler);
  virtual ~HttpServer() = default;
  virtual uint16_t port() const = 0;
  // Sets the TLS context of later connections. null means plain HTTP.
  virtual void SetTls(std::shared_ptr<boost::asio::ssl::context> tls) = 0;
};

}  // namespace exeunt::coordinator
