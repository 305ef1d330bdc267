// The bytes of one accepted connection, plain or TLS. Private to the HTTP server and its tests.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>
#include <functional>
#include <memory>
#include <string>

namespace boost::asio::ssl {
class context;
}

namespace exeunt::coordinator {

// One thread. At most one read and one write are open at once. A read and a write may be open together. Only
// Close cancels them, because part of a TLS record cannot be read. The stream and its buffers must live until
// every handler has been called.
class HttpStream {
 public:
  using ErrorCode = boost::system::error_code;
  using Handler = std::function<void(ErrorCode, size_t)>;

  virtual ~HttpStream() = default;
  virtual boost::asio::any_io_executor executor() = 0;
  // Returns the other side's address without its port.
  virtual std::string peer() const = 0;
  virtual bool encrypted() const = 0;
  // Call it before all other functions. A plain stream is ready at once.
  virtual void Handshake(std::function<void(ErrorCode)> handler) = 0;
  virtual void ReadSome(boost::asio::mutable_buffer buffer, Handler handler) = 0;
  virtual void Write(boost::asio::const_buffer bytes, Handler handler) = 0;  // writes all bytes
  // Tells the other side that no more bytes follow. `keep` is held until that is done.
  virtual void ShutdownSend(std::shared_ptr<void> keep) = 0;
  virtual void Close() = 0;
};

std::unique_ptr<HttpStream> MakePlainStream(boost::asio::ip::tcp::socket socket);
// Makes a stream with the server's certificate.
std::unique_ptr<HttpStream> MakeTlsStream(boost::asio::ip::tcp::socket socket,
                                          std::shared_ptr<boost::asio::ssl::context> tls);

}  // namespace exeunt::coordinator
