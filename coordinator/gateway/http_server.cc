#include "coordinator/gateway/http_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>

#include "base/error.h"
#include "base/log.h"
#include "coordinator/gateway/http_session.h"

namespace exeunt {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kAcceptRetry = std::chrono::milliseconds(100);
// Connections over the limit that are told so, at once.
constexpr size_t kMaxCrowded = 64;

class AsioHttpServer : public HttpServer {
 public:
  AsioHttpServer(asio::io_context* io, const HttpServerOptions& options, HttpHandler handler)
      : options_(options), handler_(std::move(handler)), acceptor_(*io), retry_(*io) {}
  ~AsioHttpServer() override {
    while (!sessions_.empty()) {
      const auto session = sessions_.begin()->second;  // outlives its own removal
      session->Close();
    }
  }

  Status Open();
  uint16_t port() const override { return acceptor_.local_endpoint().port(); }
  void SetTls(std::shared_ptr<asio::ssl::context> tls) override { tls_ = std::move(tls); }

 private:
  void Accept();
  void OnAccepted(tcp::socket socket);
  void Retry();
  size_t max_connections() const { return static_cast<size_t>(options_.max_connections); }

  const HttpServerOptions options_;
  const HttpHandler handler_;
  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  std::shared_ptr<asio::ssl::context> tls_;
  std::map<HttpSession*, std::shared_ptr<HttpSession>> sessions_;
  // Expires with the server: an accept may have completed, and its handler still wait, when the server goes.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

Status AsioHttpServer::Open() {
  error_code error;
  const auto address = asio::ip::make_address(options_.host, error);
  if (error) return InvalidArgument("address '{}': {}", options_.host, error.message());
  const tcp::endpoint endpoint(address, options_.port);
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) return Unavailable("port {}:{}: {}", options_.host, options_.port, error.message());
  Accept();
  return OkStatus();
}

void AsioHttpServer::Accept() {
  // Even more wait in the kernel's queue.
  if (sessions_.size() >= max_connections() + kMaxCrowded) return Retry();
  acceptor_.async_accept([this, alive = std::weak_ptr(alive_)](error_code error, tcp::socket socket) {
    if (alive.expired() || error == asio::error::operation_aborted) return;
    if (error) {
      spdlog::warn("http: accept failed: {}", error.message());
      return Retry();
    }
    OnAccepted(std::move(socket));
    Accept();
  });
}

void AsioHttpServer::Retry() {
  retry_.expires_after(kAcceptRetry);
  retry_.async_wait([this, alive = std::weak_ptr(alive_)](error_code error) {
    if (!alive.expired() && !error) Accept();
  });
}

void AsioHttpServer::OnAccepted(tcp::socket socket) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  const bool crowded = sessions_.size() >= max_connections();
  auto session = MakeHttpSession({.stream = tls_ == nullptr ? MakePlainStream(std::move(socket))
                                                            : MakeTlsStream(std::move(socket), tls_),
                                  .options = &options_,
                                  .handler = &handler_,
                                  .crowded = crowded,
                                  .on_closed = [this, alive = std::weak_ptr(alive_)](HttpSession* closed) {
                                    if (!alive.expired()) sessions_.erase(closed);
                                  }});
  sessions_[session.get()] = session;
  session->Start();
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Listen(asio::io_context* io, const HttpServerOptions& options,
                                                       HttpHandler handler) {
  auto server = std::make_unique<AsioHttpServer>(io, options, std::move(handler));
  RETURN_IF_ERROR(server->Open());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace exeunt
