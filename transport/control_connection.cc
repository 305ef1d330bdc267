#include "transport/control_connection.h"

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

#include "base/error.h"

namespace exeunt::transport {

namespace asio = boost::asio;
using boost::system::error_code;

ControlConnection::ControlConnection(asio::ip::tcp::socket socket, size_t max_queued_bytes,
                                     Duration handshake_timeout)
    : socket_(std::move(socket)),
      deadline_(socket_.get_executor()),
      max_queued_bytes_(max_queued_bytes),
      handshake_timeout_(handshake_timeout) {}

void ControlConnection::Start(Handlers handlers) {
  handlers_ = std::make_shared<const Handlers>(std::move(handlers));
  error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  deadline_.expires_after(handshake_timeout_);
  deadline_.async_wait([self = shared_from_this()](error_code error) {
    if (!error) self->Fail("no handshake within its deadline");
  });
  Read();
}

void ControlConnection::SetProved() {
  deadline_.cancel();
  framer_.set_limit(kMaxControlMessageBytes);
}

void ControlConnection::Read() {
  socket_.async_read_some(
      asio::buffer(read_buffer_),
      [self = shared_from_this()](error_code error, size_t size) { self->OnBytes(error, size); });
}

void ControlConnection::OnBytes(error_code error, size_t size) {
  if (error) return Fail(error.message());
  framer_.Append({read_buffer_.data(), size});
  while (socket_.is_open() && !refused_) {
    auto next = framer_.Next();
    if (!next) return Fail(next.error().message);
    if (!next->has_value()) return Read();
    proto::ToCoordinator message;
    if (!message.ParseFromString(**next)) return Fail("a malformed message");
    const auto keep = handlers_;  // the callback may call Close, which drops the handlers
    if (Status status = keep->on_message(std::move(message)); !status) return Fail(status.error().message);
  }
}

void ControlConnection::Write(const proto::ToWorker& message) {
  if (!socket_.is_open() || refused_) return;
  auto frame = FrameControlMessage(message);
  std::string why;
  if (!frame) {
    why = frame.error().message;
  } else if (queued_.size() + frame->size() > max_queued_bytes_) {
    why = fmt::format("does not read: {} bytes are queued, the limit is {}", queued_.size() + frame->size(),
                      max_queued_bytes_);
  } else {
    queued_ += *frame;
    if (writing_.empty()) WriteQueued();
    return;
  }
  asio::post(socket_.get_executor(), [self = shared_from_this(), why] { self->Fail(why); });
}

void ControlConnection::WriteQueued() {
  writing_.swap(queued_);
  asio::async_write(socket_, asio::buffer(writing_), [self = shared_from_this()](error_code error, size_t) {
    self->writing_.clear();
    if (error) return self->Fail(error.message());
    if (!self->queued_.empty()) return self->WriteQueued();
    if (self->refused_) self->Close();
  });
}

void ControlConnection::Refuse(const std::string& reason) {
  proto::ToWorker message;
  message.mutable_shutdown()->set_reason(reason);
  Write(message);
  refused_ = true;
  handlers_ = nullptr;
  deadline_.expires_after(handshake_timeout_);
  deadline_.async_wait([self = shared_from_this()](error_code error) {
    if (!error) self->Close();
  });
}

void ControlConnection::Close() {
  handlers_ = nullptr;
  deadline_.cancel();
  error_code ignored;
  // The orderly end prevents that a reset loses the last write.
  socket_.shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
}

void ControlConnection::Fail(const std::string& why) {
  const auto keep = handlers_;
  Close();
  if (keep != nullptr) keep->on_closed(why);
}

}  // namespace exeunt::transport
