#include "coordinator/gateway/http_stream.h"

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <utility>

namespace exeunt::coordinator {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

std::string AddressOf(const tcp::socket& socket) {
  HttpStream::ErrorCode error;
  const tcp::endpoint peer = socket.remote_endpoint(error);
  return error ? "unknown" : peer.address().to_string();
}

void CloseSocket(tcp::socket* socket) {
  HttpStream::ErrorCode ignored;
  socket->shutdown(tcp::socket::shutdown_both, ignored);
  socket->close(ignored);
}

class PlainStream : public HttpStream {
 public:
  explicit PlainStream(tcp::socket socket) : socket_(std::move(socket)), peer_(AddressOf(socket_)) {}

  asio::any_io_executor executor() override { return socket_.get_executor(); }
  std::string peer() const override { return peer_; }
  bool encrypted() const override { return false; }
  void Handshake(std::function<void(ErrorCode)> handler) override { handler({}); }
  void ReadSome(asio::mutable_buffer buffer, Handler handler) override {
    socket_.async_read_some(buffer, std::move(handler));
  }
  void Write(asio::const_buffer bytes, Handler handler) override {
    asio::async_write(socket_, bytes, std::move(handler));
  }
  void ShutdownSend(std::shared_ptr<void>) override {
    ErrorCode ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
  }
  void Close() override { CloseSocket(&socket_); }

 private:
  tcp::socket socket_;
  const std::string peer_;
};

class TlsStream : public HttpStream {
 public:
  TlsStream(tcp::socket socket, std::shared_ptr<asio::ssl::context> tls)
      : tls_(std::move(tls)), stream_(std::move(socket), *tls_), peer_(AddressOf(stream_.next_layer())) {}

  asio::any_io_executor executor() override { return stream_.get_executor(); }
  std::string peer() const override { return peer_; }
  bool encrypted() const override { return true; }
  void Handshake(std::function<void(ErrorCode)> handler) override {
    stream_.async_handshake(asio::ssl::stream_base::server, std::move(handler));
  }
  void ReadSome(asio::mutable_buffer buffer, Handler handler) override {
    stream_.async_read_some(buffer, std::move(handler));
  }
  void Write(asio::const_buffer bytes, Handler handler) override {
    asio::async_write(stream_, bytes, std::move(handler));
  }
  // Ends with the other side's close_notify, or when the socket is closed.
  void ShutdownSend(std::shared_ptr<void> keep) override {
    stream_.async_shutdown([keep = std::move(keep)](ErrorCode) {});
  }
  void Close() override { CloseSocket(&stream_.next_layer()); }

 private:
  const std::shared_ptr<asio::ssl::context> tls_;
  asio::ssl::stream<tcp::socket> stream_;
  const std::string peer_;
};

}  // namespace

std::unique_ptr<HttpStream> MakePlainStream(tcp::socket socket) {
  return std::make_unique<PlainStream>(std::move(socket));
}

std::unique_ptr<HttpStream> MakeTlsStream(tcp::socket socket, std::shared_ptr<asio::ssl::context> tls) {
  return std::make_unique<TlsStream>(std::move(socket), std::move(tls));
}

}  // namespace exeunt::coordinator
