#include "transport/control_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <map>
#include <set>

#include "base/error.h"
#include "base/log.h"
#include "transport/control_connection.h"

namespace exeunt::transport {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using ConnectionPtr = std::shared_ptr<ControlConnection>;

constexpr auto kAcceptRetry = std::chrono::milliseconds(100);

struct Expected {
  uint64_t epoch = 0;
  uint32_t ranks = 0;
};

// The state of a connection that has not proved itself yet.
struct Handshake {
  bool hello_seen = false;
  WorkerId id;
  std::string nonce;
};

class AsioControlServer : public ControlServer {
 public:
  AsioControlServer(asio::io_context* io, const ControlServerOptions& options, ControlServerHandlers handlers)
      : options_(options), handlers_(std::move(handlers)), acceptor_(*io), retry_(*io) {}
  ~AsioControlServer() override;

  Status Open();
  uint16_t port() const override { return acceptor_.local_endpoint().port(); }
  void Expect(uint32_t pipeline, uint64_t epoch, uint32_t ranks) override;
  void Drop(uint32_t pipeline) override;
  void Send(const WorkerId& to, const proto::ToWorker& message) override;

 private:
  void Accept();
  void OnAccepted(tcp::socket socket);
  Status OnHandshakeMessage(const ConnectionPtr& connection, Handshake* handshake,
                            const proto::ToCoordinator& message);
  Status OnHello(const ConnectionPtr& connection, Handshake* handshake, const proto::Hello& hello);
  Status CheckHello(const proto::Hello& hello) const;
  Status CheckIdentity(const WorkerId& id) const;
  Status OnProof(const ConnectionPtr& connection, const Handshake& handshake, const proto::Proof& proof);
  void Refuse(const ConnectionPtr& connection, const std::string& reason);

  const ControlServerOptions options_;
  const ControlServerHandlers handlers_;
  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  std::map<uint32_t, Expected> expected_;
  std::set<ConnectionPtr> handshakes_;
  std::map<WorkerId, ConnectionPtr> workers_;
  // Expires with the server. An accept may have completed while its handler still waits when the server goes.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

AsioControlServer::~AsioControlServer() {
  for (const auto& connection : handshakes_) connection->Close();
  for (const auto& [id, connection] : workers_) connection->Close();
}

Status AsioControlServer::Open() {
  error_code error;
  const auto address = asio::ip::make_address(options_.host, error);
  if (error) return InvalidArgument("control address '{}': {}", options_.host, error.message());
  const tcp::endpoint endpoint(address, options_.port);
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) return Unavailable("control port {}:{}: {}", options_.host, options_.port, error.message());
  Accept();
  return OkStatus();
}

void AsioControlServer::Accept() {
  acceptor_.async_accept([this, alive = std::weak_ptr(alive_)](error_code error, tcp::socket socket) {
    if (alive.expired() || error == asio::error::operation_aborted) return;
    if (!error) {
      OnAccepted(std::move(socket));
      return Accept();
    }
    // The process is probably out of file descriptors. The next try comes later, not in a loop.
    spdlog::warn("control: accept failed: {}", error.message());
    retry_.expires_after(kAcceptRetry);
    retry_.async_wait([this, alive](error_code cancelled) {
      if (!alive.expired() && !cancelled) Accept();
    });
  });
}

void AsioControlServer::OnAccepted(tcp::socket socket) {
  if (handshakes_.size() >= static_cast<size_t>(options_.max_handshakes)) return;  // closes the socket
  auto connection = std::make_shared<ControlConnection>(std::move(socket), options_.max_queued_bytes,
                                                        options_.handshake_timeout);
  handshakes_.insert(connection);
  auto handshake = std::make_shared<Handshake>();
  const std::weak_ptr<ControlConnection> weak = connection;
  connection->Start({[this, weak, handshake](proto::ToCoordinator message) {
                       const ConnectionPtr self = weak.lock();
                       if (workers_.contains(handshake->id) && workers_.at(handshake->id) == self) {
                         if (message.has_hello() || message.has_proof())
                           return Status(DataLoss("a second handshake"));
                         handlers_.message(handshake->id, std::move(message));
                         return OkStatus();
                       }
                       return OnHandshakeMessage(self, handshake.get(), message);
                     },
                     [this, weak, handshake](const std::string& why) {
                       const ConnectionPtr self = weak.lock();
                       handshakes_.erase(self);
                       const auto it = workers_.find(handshake->id);
                       if (it == workers_.end() || it->second != self) return;
                       workers_.erase(it);
                       handlers_.lost(handshake->id, why);
                     }});
}

Status AsioControlServer::OnHandshakeMessage(const ConnectionPtr& connection, Handshake* handshake,
                                             const proto::ToCoordinator& message) {
  Status status = OkStatus();
  if (message.has_hello() && !handshake->hello_seen) {
    status = OnHello(connection, handshake, message.hello());
  } else if (message.has_proof() && handshake->hello_seen) {
    status = OnProof(connection, *handshake, message.proof());
  } else {
    status = InvalidArgument("not the handshake that was expected");
  }
  if (!status) Refuse(connection, status.error().message);
  return OkStatus();
}

Status AsioControlServer::OnHello(const ConnectionPtr& connection, Handshake* handshake,
                                  const proto::Hello& hello) {
  RETURN_IF_ERROR(CheckHello(hello));
  handshake->hello_seen = true;
  handshake->id = {hello.pipeline(), hello.epoch(), hello.rank()};
  handshake->nonce = NewControlNonce();
  proto::ToWorker reply;
  reply.mutable_challenge()->set_nonce(handshake->nonce);
  reply.mutable_challenge()->set_proof(CoordinatorProof(options_.secret, hello.nonce()));
  connection->Write(reply);
  return OkStatus();
}

Status AsioControlServer::CheckHello(const proto::Hello& hello) const {
  if (hello.protocol() != kControlProtocolVersion) {
    return InvalidArgument("protocol version {} is not {}", hello.protocol(), kControlProtocolVersion);
  }
  if (hello.nonce().size() != kControlNonceBytes)
    return InvalidArgument("a nonce of {} bytes", hello.nonce().size());
  RETURN_IF_ERROR(CheckIdentity({hello.pipeline(), hello.epoch(), hello.rank()}));
  const uint32_t ranks = expected_.at(hello.pipeline()).ranks;
  if (hello.ranks() != ranks) return InvalidArgument("a job of {} ranks, expected {}", hello.ranks(), ranks);
  return OkStatus();
}

Status AsioControlServer::CheckIdentity(const WorkerId& id) const {
  const auto it = expected_.find(id.pipeline);
  if (it == expected_.end()) return InvalidArgument("pipeline {} is not expected", id.pipeline);
  if (id.epoch != it->second.epoch) {
    return InvalidArgument("epoch {} of pipeline {} is stale: it is {}", id.epoch, id.pipeline,
                           it->second.epoch);
  }
  if (id.rank >= it->second.ranks) {
    return InvalidArgument("rank {} of pipeline {} is not below {}", id.rank, id.pipeline, it->second.ranks);
  }
  if (workers_.contains(id))
    return InvalidArgument("rank {} of pipeline {} is connected already", id.rank, id.pipeline);
  return OkStatus();
}

Status AsioControlServer::OnProof(const ConnectionPtr& connection, const Handshake& handshake,
                                  const proto::Proof& proof) {
  if (!ProofsEqual(proof.proof(), WorkerProof(options_.secret, handshake.nonce, handshake.id))) {
    return InvalidArgument("the secret is wrong");
  }
  RETURN_IF_ERROR(CheckIdentity(handshake.id));  // again, because the job may have changed since Hello
  handshakes_.erase(connection);
  connection->SetProved();
  workers_[handshake.id] = connection;
  handlers_.connected(handshake.id);
  return OkStatus();
}

void AsioControlServer::Refuse(const ConnectionPtr& connection, const std::string& reason) {
  spdlog::warn("control: refused a worker: {}", reason);
  handshakes_.erase(connection);
  connection->Refuse(reason);
}

void AsioControlServer::Expect(uint32_t pipeline, uint64_t epoch, uint32_t ranks) {
  Drop(pipeline);
  expected_[pipeline] = {epoch, ranks};
}

void AsioControlServer::Drop(uint32_t pipeline) {
  expected_.erase(pipeline);
  std::erase_if(workers_, [&](const auto& entry) {
    if (entry.first.pipeline != pipeline) return false;
    entry.second->Close();
    return true;
  });
}

void AsioControlServer::Send(const WorkerId& to, const proto::ToWorker& message) {
  const auto it = workers_.find(to);
  if (it != workers_.end()) it->second->Write(message);
}

}  // namespace

Result<std::unique_ptr<ControlServer>> ControlServer::Listen(asio::io_context* io,
                                                             const ControlServerOptions& options,
                                                             ControlServerHandlers handlers) {
  auto server = std::make_unique<AsioControlServer>(io, options, std::move(handlers));
  RETURN_IF_ERROR(server->Open());
  return std::unique_ptr<ControlServer>(std::move(server));
}

}  // namespace exeunt::transport
