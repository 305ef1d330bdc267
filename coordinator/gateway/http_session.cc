#include "coordinator/gateway/http_session.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <optional>

#include "coordinator/gateway/http_text.h"
#include "coordinator/openai/api_error.h"

namespace exeunt {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

// What a client may send ahead of the answer to its request (pipelining) before it is no longer watched.
constexpr size_t kMaxAheadBytes = 16 << 10;
// After the last answer of a connection: a close with unread bytes would reset it, and the answer might be
// lost.
constexpr auto kLinger = std::chrono::seconds(2);

class Session : public HttpSession, public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, const HttpServerOptions* options, const HttpHandler* handler,
          std::function<void(HttpSession*)> on_closed)
      : socket_(std::move(socket)),
        read_timer_(socket_.get_executor()),
        write_timer_(socket_.get_executor()),
        options_(*options),
        handler_(*handler),
        on_closed_(std::move(on_closed)) {}

  void Start() override;
  void Close() override;
  // From the exchange: bytes of the answer; `last` ends it.
  void Send(std::string_view bytes, bool last, bool keep_alive);

 private:
  class Exchange;

  void WaitRequest();
  void ReadHeader();
  void ReadBody();
  void Dispatch();
  void Refuse(int status, const std::string& message);
  void RefuseBecauseOf(error_code error);
  void Watch();
  void WriteQueued();
  void AnswerComplete();
  void NextRequest();
  void Linger();
  void Deadline(asio::steady_timer* timer, Duration limit);

  tcp::socket socket_;
  asio::steady_timer read_timer_;
  asio::steady_timer write_timer_;
  const HttpServerOptions& options_;
  const HttpHandler& handler_;
  std::function<void(HttpSession*)> on_closed_;
  boost::beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::shared_ptr<Exchange> exchange_;  // of the request that is being answered
  std::string queued_;
  std::string writing_;
  bool watching_ = false;
  bool answered_ = false;    // the last byte of the answer is queued
  bool keep_alive_ = false;  // after this answer
  bool lingering_ = false;
};

class Session::Exchange : public HttpExchange {
 public:
  Exchange(std::weak_ptr<Session> session, HttpRequest request, bool http11, bool keep_alive)
      : session_(std::move(session)),
        request_(std::move(request)),
        http11_(http11),
        keep_alive_(keep_alive) {}

  const HttpRequest& request() const override { return request_; }
  void Respond(HttpResponse response) override {
    const std::string head = ResponseHead(response, request_.request_id, BodyKind::kFixed, keep_alive_);
    Send(head + response.body, /*last=*/true);
  }
  void StartStream(HttpResponse head) override {
    if (!http11_) keep_alive_ = false;
    Send(ResponseHead(head, request_.request_id, http11_ ? BodyKind::kChunked : BodyKind::kUntilClose,
                      keep_alive_),
         /*last=*/false);
  }
  void Write(std::string_view bytes) override {
    Send(http11_ ? Chunk(bytes) : std::string(bytes), /*last=*/false);
  }
  void EndStream() override { Send(http11_ ? kLastChunk : std::string_view(), /*last=*/true); }

 private:
  void Send(std::string_view bytes, bool last) {
    const auto session = session_.lock();
    if (session == nullptr || ended_) return;
    ended_ = last;
    session->Send(bytes, last, keep_alive_);
  }

  std::weak_ptr<Session> session_;
  HttpRequest request_;
  bool http11_;
  bool keep_alive_;
  bool ended_ = false;
};

void Session::Start() {
  error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  WaitRequest();
}

void Session::Deadline(asio::steady_timer* timer, Duration limit) {
  timer->expires_after(limit);
  timer->async_wait([weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    if (!error && self != nullptr) self->Close();
  });
}

void Session::WaitRequest() {
  if (buffer_.size() > 0) return ReadHeader();
  Deadline(&read_timer_, options_.idle_timeout);
  socket_.async_read_some(buffer_.prepare(4096), [self = shared_from_this()](error_code error, size_t size) {
    if (error) return self->Close();
    self->buffer_.commit(size);
    self->ReadHeader();
  });
}

void Session::ReadHeader() {
  Deadline(&read_timer_, options_.header_timeout);
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(options_.max_header_bytes));
  parser_->body_limit(options_.max_body_bytes);
  http::async_read_header(socket_, buffer_, *parser_, [self = shared_from_this()](error_code error, size_t) {
    if (error) return self->RefuseBecauseOf(error);
    self->ReadBody();
  });
}

void Session::ReadBody() {
  Deadline(&read_timer_, options_.body_timeout);
  const auto read = [self = shared_from_this()] {
    http::async_read(self->socket_, self->buffer_, *self->parser_, [self](error_code error, size_t) {
      if (error) return self->RefuseBecauseOf(error);
      self->Dispatch();
    });
  };
  if (!boost::beast::iequals(parser_->get()[http::field::expect], "100-continue")) return read();
  writing_ = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(socket_, asio::buffer(writing_),
                    [self = shared_from_this(), read](error_code error, size_t) {
                      self->writing_.clear();
                      if (error) return self->Close();
                      read();
                    });
}

void Session::Dispatch() {
  read_timer_.cancel();
  auto message = parser_->release();
  parser_.reset();
  const auto text = [](auto view) { return std::string(view.data(), view.size()); };
  HttpRequest request;
  request.method = text(message.method_string());
  request.path = text(message.target());
  request.path.resize(std::min(request.path.find('?'), request.path.size()));
  request.host = text(message[http::field::host]);
  request.content_type = text(message[http::field::content_type]);
  request.request_id = RequestIdOr(text(message["x-request-id"]));
  request.body = std::move(message.body());
  error_code ignored;
  request.client = socket_.remote_endpoint(ignored).address().to_string();
  const bool http11 = message.version() >= 11;
  exchange_ = std::make_shared<Exchange>(weak_from_this(), std::move(request), http11, message.keep_alive());
  Watch();
  handler_(exchange_);
}

// A request that was not understood: the connection is of no more use.
void Session::Refuse(int status, const std::string& message) {
  read_timer_.cancel();
  if (options_.on_refused) options_.on_refused(status);
  exchange_ = std::make_shared<Exchange>(weak_from_this(), HttpRequest{.request_id = RandomId("req_")},
                                         /*http11=*/true, /*keep_alive=*/false);
  exchange_->Respond({.status = status, .body = ErrorBody(ErrorOfStatus(status, message))});
}

void Session::RefuseBecauseOf(error_code error) {
  if (error == http::error::body_limit) {
    return Refuse(413, fmt::format("the body is over the limit of {} bytes", options_.max_body_bytes));
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return Refuse(431, fmt::format("the header is over the limit of {} bytes", options_.max_header_bytes));
  }
  const bool malformed = error.category() == make_error_code(http::error::bad_method).category() &&
                         error != http::error::end_of_stream && error != http::error::partial_message;
  if (malformed) return Refuse(400, "the request is not valid HTTP: " + error.message());
  Close();
}

// Reads while an answer is prepared, to notice that the client goes. What comes is the next request's.
void Session::Watch() {
  if (buffer_.size() >= kMaxAheadBytes) return;
  watching_ = true;
  socket_.async_read_some(buffer_.prepare(1024), [self = shared_from_this()](error_code error, size_t size) {
    self->watching_ = false;
    if (!error) self->buffer_.commit(size);
    if (self->lingering_) return error ? self->Close() : self->Linger();
    const bool complete = self->answered_ && self->writing_.empty();
    if (complete && (!error || error == asio::error::operation_aborted)) return self->NextRequest();
    if (error) return self->Close();
    self->Watch();
  });
}

void Session::Send(std::string_view bytes, bool last, bool keep_alive) {
  if (!socket_.is_open()) return;
  queued_ += bytes;
  if (last) {
    answered_ = true;
    keep_alive_ = keep_alive;
    exchange_->on_gone = nullptr;
  } else if (queued_.size() > options_.max_queued_bytes) {
    // Not from here: the handler that writes is told that its client has gone.
    asio::post(socket_.get_executor(), [self = shared_from_this()] { self->Close(); });
    return;
  }
  if (writing_.empty()) WriteQueued();
}

void Session::WriteQueued() {
  if (queued_.empty()) return answered_ ? AnswerComplete() : void();
  writing_.swap(queued_);
  Deadline(&write_timer_, options_.write_timeout);
  asio::async_write(socket_, asio::buffer(writing_), [self = shared_from_this()](error_code error, size_t) {
    self->writing_.clear();
    self->write_timer_.cancel();
    if (error) return self->Close();
    self->WriteQueued();
  });
}

void Session::AnswerComplete() {
  error_code ignored;
  if (!keep_alive_) {
    lingering_ = true;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    Deadline(&read_timer_, kLinger);
    if (!watching_) Linger();
  } else if (watching_) {
    socket_.cancel(ignored);  // its handler goes on with the next request
  } else {
    NextRequest();
  }
}

void Session::Linger() {
  buffer_.consume(buffer_.size());
  Watch();
}

void Session::NextRequest() {
  exchange_.reset();
  answered_ = false;
  if (socket_.is_open()) WaitRequest();
}

void Session::Close() {
  if (!socket_.is_open()) return;
  read_timer_.cancel();
  write_timer_.cancel();
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
  if (exchange_ != nullptr) {
    const auto exchange = std::exchange(exchange_, nullptr);
    if (const auto on_gone = std::exchange(exchange->on_gone, nullptr)) on_gone();
  }
  if (const auto on_closed = std::exchange(on_closed_, nullptr)) on_closed(this);
}

}  // namespace

std::shared_ptr<HttpSession> MakeHttpSession(tcp::socket socket, const HttpServerOptions* options,
                                             const HttpHandler* handler,
                                             std::function<void(HttpSession*)> on_closed) {
  return std::make_shared<Session>(std::move(socket), options, handler, std::move(on_closed));
}

}  // namespace exeunt
