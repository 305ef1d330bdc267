#include "coordinator/testing/http_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <boost/json.hpp>
#include <cctype>
#include <chrono>
#include <stdexcept>

#include "coordinator/openai/json_text.h"

namespace exeunt::coordinator {

namespace asio = boost::asio;

boost::json::value HttpReply::Json() const { return boost::json::parse(body); }

std::string At(const HttpReply& reply, const std::string& pointer) {
  return WriteJson(reply.Json().at_pointer(pointer));
}

std::vector<std::string> HttpReply::Events() const {
  std::vector<std::string> events;
  for (size_t at = 0; at < body.size();) {
    const size_t end = body.find("\n\n", at);
    if (end != std::string::npos && body[at] == ':') {  // a comment
      at = end + 2;
      continue;
    }
    if (end == std::string::npos || body.compare(at, 6, "data: ") != 0)
      throw std::runtime_error("no event: " + body);
    events.push_back(body.substr(at + 6, end - at - 6));
    at = end + 2;
  }
  return events;
}

struct HttpClient::Tls {
  explicit Tls(asio::ip::tcp::socket* socket) : stream(*socket, context) {}
  asio::ssl::context context{asio::ssl::context::tls_client};
  asio::ssl::stream<asio::ip::tcp::socket&> stream;
};

HttpClient::HttpClient(uint16_t port) {
  socket_.connect({asio::ip::make_address("127.0.0.1"), port});
  socket_.set_option(asio::ip::tcp::no_delay(true));  // sends bytes at once
}

HttpClient::HttpClient(uint16_t port, const std::string& certificate_pem) : HttpClient(port) {
  tls_ = std::make_unique<Tls>(&socket_);
  tls_->context.add_certificate_authority(asio::buffer(certificate_pem));
  tls_->stream.set_verify_mode(asio::ssl::verify_peer);
  tls_->stream.handshake(asio::ssl::stream_base::client);
}

HttpClient::~HttpClient() = default;

void HttpClient::Send(const std::string& bytes) {
  tls_ == nullptr ? asio::write(socket_, asio::buffer(bytes))
                  : asio::write(tls_->stream, asio::buffer(bytes));
}

void HttpClient::SendRequest(const std::string& method, const std::string& path, const std::string& body,
                             const std::string& extra_headers) {
  std::string head = fmt::format("{} {} HTTP/1.1\r\nHost: test\r\n{}", method, path, extra_headers);
  if (method == "POST")
    head += fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", body.size());
  Send(fmt::format("{}\r\n{}", head, body));
}

void HttpClient::ReadMore() {
  char bytes[4096];
  boost::system::error_code error = asio::error::would_block;
  size_t size = 0;
  const auto read = [&](boost::system::error_code e, size_t n) {
    error = e;
    size = n;
  };
  if (tls_ == nullptr) {
    socket_.async_read_some(asio::buffer(bytes), read);
  } else {
    tls_->stream.async_read_some(asio::buffer(bytes), read);
  }
  io_.restart();
  io_.run_for(std::chrono::seconds(30));
  if (error == asio::error::would_block) {
    socket_.close();
    io_.restart();
    io_.run();
    throw std::runtime_error("nothing came for 30 s after: " + buffer_);
  }
  if (error) throw boost::system::system_error(error);
  buffer_.append(bytes, size);
}

std::string HttpClient::ReadUntil(const std::string& text) {
  size_t at = 0;
  while ((at = buffer_.find(text)) == std::string::npos) ReadMore();
  const std::string found = buffer_.substr(0, at + text.size());
  buffer_.erase(0, found.size());
  return found;
}

bool HttpClient::ReadEnd() {
  try {
    while (buffer_.size() < (1 << 20)) ReadMore();
  } catch (const boost::system::system_error& error) {
    // Over TLS an end without close_notify might come from a third party.
    return error.code() == asio::error::eof ||
           (tls_ == nullptr && error.code() == asio::error::connection_reset);
  }
  return false;
}

HttpReply HttpClient::ReadReply() {
  HttpReply reply;
  const std::string head = ReadUntil("\r\n\r\n");
  reply.status = std::stoi(head.substr(9));
  for (size_t at = head.find("\r\n") + 2; at + 2 < head.size();) {
    const size_t end = head.find("\r\n", at);
    const size_t colon = head.find(": ", at);
    std::string name = head.substr(at, colon - at);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    reply.headers[name] = head.substr(colon + 2, end - colon - 2);
    at = end + 2;
  }
  if (reply.status == 204) return reply;
  if (reply.headers.contains("content-length")) {
    const size_t size = std::stoul(reply.headers["content-length"]);
    while (buffer_.size() < size) ReadMore();
    reply.body = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return reply;
  }
  while (reply.headers.contains("transfer-encoding")) {
    const size_t size = std::stoul(ReadUntil("\r\n"), nullptr, 16);
    while (buffer_.size() < size + 2) ReadMore();
    reply.body += buffer_.substr(0, size);
    buffer_.erase(0, size + 2);
    if (size == 0) break;
  }
  return reply;
}

HttpReply Fetch(uint16_t port, const std::string& method, const std::string& path, const std::string& body) {
  HttpClient client(port);
  client.SendRequest(method, path, body);
  return client.ReadReply();
}

}  // namespace exeunt::coordinator
