// A blocking HTTP client for tests, on a plain socket or TLS: it can also send what no proper client would.
// Every wait ends after 30 s with an exception, which fails the test.
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
  std::string body;                            // chunks joined
  boost::json::value Json() const;
  // The data of the events of a stream.
  std::vector<std::string> Events() const;
};

// The value at a JSON pointer of the reply, as text.
std::string At(const HttpReply& reply, const std::string& pointer);

class HttpClient {
 public:
  explicit HttpClient(uint16_t port);
  // Over TLS, where the server has the certificate of this PEM text.
  HttpClient(uint16_t port, const std::string& certificate_pem);
  ~HttpClient();
  void Send(const std::string& bytes);
  void SendRequest(const std::string& method, const std::string& path, const std::string& body = "",
                   const std::string& extra_headers = "");
  HttpReply ReadReply();
  // Bytes up to and including `text`.
  std::string ReadUntil(const std::string& text);
  // True: the server has closed the connection (over TLS: and said so before).
  bool ReadEnd();
  void Close() { socket_.close(); }
  // What has come and nobody has asked for.
  const std::string& unread() const { return buffer_; }

 private:
  void ReadMore();

  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_{io_};
  struct Tls;
  std::unique_ptr<Tls> tls_;  // null: plain
  std::string buffer_;
};

// One request on a connection of its own.
HttpReply Fetch(uint16_t port, const std::string& method, const std::string& path,
                const std::string& body = "");

}  // namespace exeunt::coordinator
