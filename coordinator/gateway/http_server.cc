#include "coordinator/gateway/http_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <map>

#include "base/error.h"
#include "base/log.h"
#include "coordinator/gateway/http_session.h"
#include "transport/listen_addresses.h"

namespace exeunt::coordinator {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kLookUpLimit = std::chrono::seconds(10);
constexpr auto kAcceptRetry = std::chrono::milliseconds(100);
// The number of connections over the limit that get a refusal at once.
constexpr size_t kMaxCrowded = 64;

// One address that the server listens on.
struct Listener {
  explicit Listener(asio::io_context* io) : acceptor(*io), retry(*io) {}
  tcp::acceptor acceptor;
  asio::steady_timer retry;
};

// Returns whether the machine has no addresses of this family. A name may have such addresses beside others.
bool IsNotOfThisMachine(error_code error) {
  return error == asio::error::address_family_not_supported ||
         error == boost::system::errc::address_not_available;
}

class AsioHttpServer : public HttpServer {
 public:
  AsioHttpServer(asio::io_context* io, const HttpServerOptions& options, HttpHandler handler)
      : io_(io), options_(options), handler_(std::move(handler)) {}
  ~AsioHttpServer() override {
    while (!sessions_.empty()) {
      const auto session = sessions_.begin()->second;  // a copy, which outlives its own removal
      session->Close();
    }
  }

  Status Open();
  uint16_t port() const override { return listeners_.front().acceptor.local_endpoint().port(); }
  void SetTls(std::shared_ptr<asio::ssl::context> tls) override { tls_ = std::move(tls); }

 private:
  error_code Listen(const tcp::endpoint& endpoint, bool one_family);
  void Accept(Listener* listener);
  void OnAccepted(tcp::socket socket);
  void Retry(Listener* listener);
  size_t max_connections() const { return static_cast<size_t>(options_.max_connections); }

  asio::io_context* const io_;
  const HttpServerOptions options_;
  const HttpHandler handler_;
  std::list<Listener> listeners_;  // at least one, once open
  std::shared_ptr<asio::ssl::context> tls_;
  std::map<HttpSession*, std::shared_ptr<HttpSession>> sessions_;
  // Expires with the server. An accept may have completed while its handler still waits when the server goes.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// A name may have addresses of both families. The server listens on all that the machine has, at one port.
Status AsioHttpServer::Open() {
  ASSIGN_OR_RETURN(const auto addresses, transport::ListenAddresses(options_.host, kLookUpLimit));
  error_code unusable;
  for (const asio::ip::address& address : addresses) {
    const tcp::endpoint endpoint(address, listeners_.empty() ? options_.port : port());
    const error_code error = Listen(endpoint, /*one_family=*/addresses.size() > 1);
    if (!error) continue;
    unusable = error;
    if (addresses.size() > 1 && IsNotOfThisMachine(error)) continue;
    return Unavailable("port {}:{}: {}", transport::BracketedHost(address.to_string()), endpoint.port(),
                       error.message());
  }
  if (listeners_.empty())
    return Unavailable("port {}:{}: {}", options_.host, options_.port, unusable.message());
  for (Listener& listener : listeners_) Accept(&listener);
  return OkStatus();
}

// With one_family an IPv6 socket leaves IPv4 to another listener.
error_code AsioHttpServer::Listen(const tcp::endpoint& endpoint, bool one_family) {
  error_code error;
  tcp::acceptor& acceptor = listeners_.emplace_back(io_).acceptor;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && one_family && endpoint.address().is_v6()) acceptor.set_option(asio::ip::v6_only(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) listeners_.pop_back();
  return error;
}

void AsioHttpServer::Accept(Listener* listener) {
  // Further connections wait in the kernel's queue.
  if (sessions_.size() >= max_connections() + kMaxCrowded) return Retry(listener);
  listener->acceptor.async_accept(
      [this, listener, alive = std::weak_ptr(alive_)](error_code error, tcp::socket socket) {
        if (alive.expired() || error == asio::error::operation_aborted) return;
        if (error) {
          spdlog::warn("http: accept failed: {}", error.message());
          return Retry(listener);
        }
        OnAccepted(std::move(socket));
        Accept(listener);
      });
}

void AsioHttpServer::Retry(Listener* listener) {
  listener->retry.expires_after(kAcceptRetry);
  listener->retry.async_wait([this, listener, alive = std::weak_ptr(alive_)](error_code error) {
    if (!alive.expired() && !error) Accept(listener);
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

}  // namespace exeunt::coordinator
