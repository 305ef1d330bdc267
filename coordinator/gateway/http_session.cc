#include "coordinator/gateway/http_session.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http.hpp>
#include <optional>

#include "coordinator/gateway/header_values.h"
#include "coordinator/gateway/http_target.h"
#include "coordinator/gateway/http_text.h"
#include "coordinator/openai/api_error.h"
#include "coordinator/openai/json_text.h"

namespace exeunt::coordinator {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr size_t kReadBytes = 8 << 10;
// The bytes that a client may send before its request is answered (pipelining). Above them it is not watched
// any longer.
constexpr size_t kMaxAheadBytes = 16 << 10;
// The wait after the last answer of a connection. A close with unread bytes would reset the connection and
// might lose the answer.
constexpr auto kLinger = std::chrono::seconds(2);

std::string Text(boost::beast::string_view view) { return {view.data(), view.size()}; }

// A read is open nearly all the time. While an answer is prepared the read notices that the client goes, and
// its bytes belong to the next request.
class Session : public HttpSession, public std::enable_shared_from_this<Session> {
 public:
  explicit Session(HttpSessionParts parts)
      : stream_(std::move(parts.stream)),
        options_(*parts.options),
        handler_(*parts.handler),
        crowded_(parts.crowded),
        on_closed_(std::move(parts.on_closed)),
        read_timer_(stream_->executor()),
        write_timer_(stream_->executor()) {}

  void Start() override;
  void Close() override;
  // Called by the exchange with bytes of the answer. `last` ends the answer.
  void Send(std::string_view bytes, bool last, bool keep_alive);

 private:
  class Exchange;
  using Parser = http::request_parser<http::string_body>;
  enum class State { kHandshake, kIdle, kHeader, kBody, kAnswer, kLinger, kClosed };

  void NextRequest();
  void Read();
  void OnRead(error_code error, size_t size);
  void Parse();
  bool OnHeader();
  Result<HttpRequest> RequestOf(const Parser::value_type& message) const;
  void BeginAnswer(bool keep_alive);
  void RespondAlone(HttpResponse response);
  void Refuse(int status, const std::string& message, const std::string& code = "");
  void RefuseBecauseOf(error_code error);
  void RefuseSlow(const char* part, Duration limit);
  void WriteQueued();
  void Linger();
  void Await(State state, Duration limit);
  void OnReadDeadline();

  const std::unique_ptr<HttpStream> stream_;
  const HttpServerOptions& options_;
  const HttpHandler& handler_;
  const bool crowded_;
  std::function<void(HttpSession*)> on_closed_;
  asio::steady_timer read_timer_;
  asio::steady_timer write_timer_;
  State state_ = State::kHandshake;
  std::array<char, kReadBytes> incoming_;  // buffer of the open read
  bool reading_ = false;
  std::string input_;  // read bytes that are not parsed yet
  std::optional<Parser> parser_;
  HttpRequest request_;                 // request that is being read
  std::shared_ptr<Exchange> exchange_;  // exchange of the request that is being answered
  std::string queued_;
  std::string writing_;
  bool answered_ = false;    // whether the last byte of the answer is queued
  bool keep_alive_ = false;  // whether the connection stays open after this answer
};

class Session::Exchange : public HttpExchange {
 public:
  struct Shape {
    bool http11 = true;
    bool keep_alive = false;
    HttpHeaders headers;  // headers of every answer
  };
  Exchange(std::weak_ptr<Session> session, HttpRequest request, Shape shape)
      : session_(std::move(session)), request_(std::move(request)), shape_(std::move(shape)) {}

  const HttpRequest& request() const override { return request_; }
  void Respond(HttpResponse response) override {
    Send(Head(&response, BodyKind::kFixed) + (head_only() ? "" : response.body), /*last=*/true);
  }
  void StartStream(HttpResponse head) override {
    if (!shape_.http11) shape_.keep_alive = false;
    Send(Head(&head, shape_.http11 ? BodyKind::kChunked : BodyKind::kUntilClose), /*last=*/false);
  }
  void Write(std::string_view bytes) override {
    if (head_only()) return;
    Send(shape_.http11 ? Chunk(bytes) : std::string(bytes), /*last=*/false);
  }
  void EndStream() override {
    Send(shape_.http11 && !head_only() ? kLastChunk : std::string_view(), /*last=*/true);
  }

 private:
  bool head_only() const { return request_.method == "HEAD"; }
  std::string Head(HttpResponse* response, BodyKind kind) const {
    response->headers.insert(response->headers.end(), shape_.headers.begin(), shape_.headers.end());
    return ResponseHead(*response, request_.request_id, kind, shape_.keep_alive);
  }
  void Send(std::string_view bytes, bool last) {
    const auto session = session_.lock();
    if (session == nullptr || ended_) return;
    ended_ = last;
    session->Send(bytes, last, shape_.keep_alive);
  }

  std::weak_ptr<Session> session_;
  HttpRequest request_;
  Shape shape_;
  bool ended_ = false;
};

void Session::Start() {
  Await(State::kHandshake, options_.header_timeout);
  stream_->Handshake([self = shared_from_this()](error_code error) {
    if (self->state_ == State::kClosed) return;
    error ? self->Close() : self->NextRequest();
  });
}

// Sets the limit of the wait for the client.
void Session::Await(State state, Duration limit) {
  state_ = state;
  read_timer_.expires_after(limit);
  read_timer_.async_wait([weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    if (!error && self != nullptr) self->OnReadDeadline();
  });
}

void Session::OnReadDeadline() {
  if (read_timer_.expiry() > std::chrono::steady_clock::now()) return;  // the timer was set again
  switch (state_) {
    case State::kHeader:
      return RefuseSlow("header", options_.header_timeout);
    case State::kBody:
      return RefuseSlow("body", options_.body_timeout);
    case State::kIdle:
      return Linger();
    case State::kAnswer:  // too late to be cancelled
      return;
    case State::kHandshake:
    case State::kLinger:
    case State::kClosed:
      return Close();
  }
}

void Session::RefuseSlow(const char* part, Duration limit) {
  Refuse(408, fmt::format("the {} was not complete within {} s", part, Seconds(limit)), "request_timeout");
}

void Session::NextRequest() {
  exchange_.reset();
  request_ = {};
  answered_ = false;
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(options_.max_header_bytes));
  parser_->body_limit(options_.max_body_bytes);
  for (std::string* spent : {&queued_, &writing_}) spent->shrink_to_fit();
  Await(State::kIdle, crowded_ ? options_.header_timeout : options_.idle_timeout);
  Parse();
}

void Session::Read() {
  const bool too_far_ahead = state_ == State::kAnswer && input_.size() >= kMaxAheadBytes;
  if (reading_ || too_far_ahead || state_ == State::kClosed) return;
  reading_ = true;
  stream_->ReadSome(asio::buffer(incoming_), [self = shared_from_this()](error_code error, size_t size) {
    self->reading_ = false;
    self->OnRead(error, size);
  });
}

void Session::OnRead(error_code error, size_t size) {
  if (state_ == State::kClosed) return;
  if (error) return Close();
  if (state_ == State::kLinger) return Read();
  input_.append(incoming_.data(), size);
  state_ == State::kAnswer ? Read() : Parse();
}

// Parses the bytes that have come, as far as possible, and reads more.
void Session::Parse() {
  if (state_ == State::kIdle) input_.erase(0, EmptyLinesBefore(input_));
  if (state_ == State::kIdle && input_ == "\r") return Read();  // half of an empty line
  while (!input_.empty()) {
    if (state_ == State::kIdle) Await(State::kHeader, options_.header_timeout);
    error_code error;
    input_.erase(0, parser_->put(asio::const_buffer(input_.data(), input_.size()), error));
    if (error == http::error::need_more) {
      // The parser waits for the end of a line. The line is of the header, of a chunk or of a trailer. The
      // parser itself does not limit the latter two.
      if (input_.size() > options_.max_header_bytes) return RefuseBecauseOf(http::error::header_limit);
      if (state_ == State::kHeader && HasBareLineFeed(input_))
        return Refuse(400, "a line of the header ends with LF alone, it must end with CR LF");
      break;
    }
    if (error) return RefuseBecauseOf(error);
    if (state_ == State::kHeader && parser_->is_header_done() && !OnHeader()) return;
    if (!parser_->is_done()) continue;
    request_.body = std::move(parser_->get().body());
    BeginAnswer(parser_->get().keep_alive());
    return handler_(exchange_);
  }
  Read();
}

Result<HttpRequest> Session::RequestOf(const Parser::value_type& message) const {
  HttpRequest request;
  request.method = Text(message.method_string());
  ASSIGN_OR_RETURN(HttpTarget target, ParseTarget(Text(message.target())));
  request.path = std::move(target.path);
  request.host = target.authority.empty() ? Text(message[http::field::host]) : std::move(target.authority);
  request.content_type = Text(message[http::field::content_type]);
  request.content_encoding = Text(message[http::field::content_encoding]);
  request.authorization = Text(message[http::field::authorization]);
  request.request_id = RequestIdOr(Text(message["x-request-id"]));
  request.client = stream_->peer();
  request.encrypted = stream_->encrypted();
  request.crowded = crowded_;
  return request;
}

// Returns false if the request is answered already, before its body is read.
bool Session::OnHeader() {
  const auto& message = parser_->get();
  auto request = RequestOf(message);
  if (!request) {
    Refuse(400, request.error().message);
    return false;
  }
  request_ = std::move(*request);
  const auto encoding = message[http::field::transfer_encoding];
  if (message.count(http::field::transfer_encoding) > 0 &&
      !EqualsInAnyCase(Trimmed(Text(encoding)), "chunked")) {
    Refuse(400, fmt::format("the request's Transfer-Encoding is '{}', it must be chunked",
                            Excerpt(Text(encoding))));
    return false;
  }
  if (message.method() == http::verb::connect) {  // the following bytes are not for this server
    Refuse(405, "CONNECT is for proxies, this server is none");
    return false;
  }
  const auto asked = message.find(http::field::access_control_request_method);
  if (options_.cors.enabled() && message.method() == http::verb::options && asked != message.end()) {
    RespondAlone(
        options_.cors.Preflight({.origin = Text(message[http::field::origin]),
                                 .headers = Text(message[http::field::access_control_request_headers]),
                                 .private_network = EqualsInAnyCase(
                                     Text(message["access-control-request-private-network"]), "true")}));
    return false;
  }
  if (options_.admit) {
    if (auto refusal = options_.admit(&request_)) {
      RespondAlone(std::move(*refusal));
      return false;
    }
  }
  request_.authorization.clear();
  if (parser_->is_done()) return true;
  Await(State::kBody, options_.body_timeout);
  parser_->eager(true);  // otherwise it would take a body of small chunks one by one
  if (message.version() >= 11 && HasElement(Text(message[http::field::expect]), "100-continue")) {
    queued_ += "HTTP/1.1 100 Continue\r\n\r\n";
    if (writing_.empty()) WriteQueued();
  }
  return true;
}

void Session::BeginAnswer(bool keep_alive) {
  state_ = State::kAnswer;
  read_timer_.cancel();
  const auto& message = parser_->get();
  if (request_.request_id.empty()) request_.request_id = RandomId("req_");
  exchange_ = std::make_shared<Exchange>(
      weak_from_this(), std::move(request_),
      Exchange::Shape{.http11 = message.version() >= 11,
                      .keep_alive = keep_alive && !crowded_,
                      .headers = options_.cors.AnswerHeaders(Text(message[http::field::origin]))});
  parser_.reset();
  Read();
}

// If a body that is not read would follow, the connection is of no use any longer.
void Session::RespondAlone(HttpResponse response) {
  BeginAnswer(parser_->is_done() && parser_->get().keep_alive());
  exchange_->Respond(std::move(response));
}

// Refuses a request that was malformed or was not sent in time.
void Session::Refuse(int status, const std::string& message, const std::string& code) {
  if (options_.on_refused) options_.on_refused(status);
  if (request_.method.empty()) request_.method = Text(parser_->get().method_string());
  if (request_.method.empty() && input_.starts_with("HEAD ")) request_.method = "HEAD";
  BeginAnswer(/*keep_alive=*/false);
  HttpResponse response{.status = status, .body = ErrorBody(ErrorOfStatus(status, message, code))};
  if (status == 405) response.headers.emplace_back("Allow", "GET, HEAD, POST, OPTIONS");
  exchange_->Respond(std::move(response));
}

void Session::RefuseBecauseOf(error_code error) {
  if (error == http::error::body_limit)
    return Refuse(413, fmt::format("the body is over the limit of {} bytes", options_.max_body_bytes));
  if (error == http::error::header_limit)
    return Refuse(431, fmt::format("the header is over the limit of {} bytes", options_.max_header_bytes));
  Refuse(400, "the request is not valid HTTP: " + error.message());
}

void Session::Send(std::string_view bytes, bool last, bool keep_alive) {
  if (state_ == State::kClosed) return;
  queued_ += bytes;
  if (last) {
    answered_ = true;
    keep_alive_ = keep_alive;
    exchange_->on_gone = nullptr;
  } else if (queued_.size() > options_.max_queued_bytes) {
    // The close is posted, because the handler that writes is told that its client has gone.
    asio::post(stream_->executor(), [self = shared_from_this()] { self->Close(); });
    return;
  }
  if (writing_.empty()) WriteQueued();
}

void Session::WriteQueued() {
  if (queued_.empty()) {
    if (answered_) keep_alive_ ? NextRequest() : Linger();
    return;
  }
  writing_.swap(queued_);
  write_timer_.expires_after(options_.write_timeout);
  write_timer_.async_wait([weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    const bool over =
        !error && self != nullptr && self->write_timer_.expiry() <= std::chrono::steady_clock::now();
    if (over && !self->writing_.empty()) self->Close();
  });
  stream_->Write(asio::buffer(writing_), [self = shared_from_this()](error_code error, size_t) {
    self->writing_.clear();
    self->write_timer_.cancel();
    if (self->state_ == State::kClosed) return;
    error ? self->Close() : self->WriteQueued();
  });
}

// Drops all bytes until the client closes, too.
void Session::Linger() {
  exchange_.reset();
  input_.clear();
  answered_ = false;
  stream_->ShutdownSend(shared_from_this());
  Await(State::kLinger, kLinger);
  Read();
}

void Session::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  read_timer_.cancel();
  write_timer_.cancel();
  stream_->Close();
  if (exchange_ != nullptr) {
    const auto exchange = std::exchange(exchange_, nullptr);
    if (const auto on_gone = std::exchange(exchange->on_gone, nullptr)) on_gone();
  }
  if (const auto on_closed = std::exchange(on_closed_, nullptr)) on_closed(this);
}

}  // namespace

std::shared_ptr<HttpSession> MakeHttpSession(HttpSessionParts parts) {
  return std::make_shared<Session>(std::move(parts));
}

}  // namespace exeunt::coordinator
