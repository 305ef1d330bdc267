// A blocking HTTP client for tests, on a plain socket or TLS. It can also send malformed requests. Every wait
// ends after 30 s with an exception, which fails the test.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/json/value.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace exeunt::coordinator {

struct HttpReply {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // joined chunks
  boost::json::value Json() const;
  // Returns the data of a stream's events.
  std::vector<std::string> Events() const;
};

// Returns the value at a JSON pointer of the reply, as text.
std::string At(const HttpReply& reply, const std::string& pointer);

class HttpClient {
 public:
  explicit HttpClient(uint16_t port);
  // Connects over TLS to a server with the certificate of this PEM text.
  HttpClient(uint16_t port, const std::string& certificate_pem);
  ~HttpClient();
  void Send(const std::string& bytes);
  void SendRequest(const std::string& method, const std::string& path, const std::string& body = "",
                   const std::string& extra_headers = "");
  HttpReply ReadReply();
  // Returns the bytes up to and including `text`.
  std::string ReadUntil(const std::string& text);
  // Returns true if the server has closed the connection. Over TLS it must have announced that.
  bool ReadEnd();
  void Close() { socket_.close(); }
  // Received bytes that nobody has read.
  const std::string& unread() const { return buffer_; }

 private:
  void ReadMore();

  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_{io_};
  struct Tls;
  std::unique_ptr<Tls> tls_;  // null for a plain socket
  std::string buffer_;
};

// Sends one request on its own connection.
HttpReply Fetch(uint16_t port, const std::string& method, const std::string& path,
                const std::string& body = "");

}  // namespace exeunt::coordinator
