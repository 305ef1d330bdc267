#include "transport/control_asio_client.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "transport/control_framing.h"

namespace exeunt::transport {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kCloseLimit = std::chrono::seconds(1);

// All members except inbox_, connected_ and doorbell_ belong to the I/O thread.
class AsioControlChannel : public ControlChannel {
 public:
  explicit AsioControlChannel(const ControlClientOptions& options) : options_(options) {}
  ~AsioControlChannel() override;

  Status Connect();
  void Send(proto::ToCoordinator message) override;
  void Poll(std::vector<proto::ToWorker>* out) override;
  bool Wait(Duration limit) override;
  bool connected() const override;

 private:
  void StartConnecting();
  void SendHello();
  void Read();
  void OnBytes(error_code error, size_t size);
  Status OnMessage(const std::string& bytes);
  Status OnChallenge(const proto::ToWorker& message);
  void Write(const proto::ToCoordinator& message);
  void WriteQueued();
  void Heartbeat();
  void CloseWhenWritten();
  void Lose(const Error& why);

  const ControlClientOptions options_;
  asio::io_context io_;
  tcp::resolver resolver_{io_};
  tcp::socket socket_{io_};
  asio::steady_timer deadline_{io_};
  asio::steady_timer heartbeat_{io_};
  std::promise<Status> handshake_;
  bool handshake_over_ = false;
  bool proved_ = false;
  bool closing_ = false;
  std::string nonce_ = NewControlNonce();
  ControlFramer framer_{kMaxControlMessageBytes};
  std::array<char, 65536> read_buffer_;
  std::string queued_;   // frames to write next
  std::string writing_;  // frames being written

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<proto::ToWorker> inbox_;
  bool connected_ = false;
  uint64_t doorbell_ = 0;  // newest doorbell that the worker has polled

  std::thread thread_;  // last member, because the thread uses all others
};

AsioControlChannel::~AsioControlChannel() {
  if (!thread_.joinable()) return;
  asio::post(io_, [this] { CloseWhenWritten(); });
  thread_.join();
}

Status AsioControlChannel::Connect() {
  auto done = handshake_.get_future();
  asio::post(io_, [this] { StartConnecting(); });
  thread_ = std::thread([this] { io_.run(); });
  return done.get();
}

void AsioControlChannel::StartConnecting() {
  deadline_.expires_after(options_.handshake_timeout);
  deadline_.async_wait([this](error_code error) {
    if (!error) {
      Lose(DeadlineExceeded("coordinator {}:{}: no handshake within {} s", options_.host, options_.port,
                            Seconds(options_.handshake_timeout)));
    }
  });
  resolver_.async_resolve(options_.host, std::to_string(options_.port), [this](error_code error, auto found) {
    if (error) return Lose(Unavailable("coordinator {}: {}", options_.host, error.message()));
    asio::async_connect(socket_, found, [this](error_code failed, const tcp::endpoint&) {
      if (failed) {
        return Lose(Unavailable("coordinator {}:{}: {}", options_.host, options_.port, failed.message()));
      }
      SendHello();
    });
  });
}

void AsioControlChannel::SendHello() {
  error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  {
    const std::lock_guard lock(mutex_);
    connected_ = true;
  }
  proto::ToCoordinator message;
  proto::Hello& hello = *message.mutable_hello();
  hello.set_protocol(kControlProtocolVersion);
  hello.set_pipeline(options_.id.pipeline);
  hello.set_epoch(options_.id.epoch);
  hello.set_rank(options_.id.rank);
  hello.set_ranks(options_.ranks);
  hello.set_nonce(nonce_);
  hello.set_pid(getpid());
  Write(message);
  Read();
}

void AsioControlChannel::Read() {
  socket_.async_read_some(asio::buffer(read_buffer_),
                          [this](error_code error, size_t size) { OnBytes(error, size); });
}

void AsioControlChannel::OnBytes(error_code error, size_t size) {
  if (error) return Lose(Unavailable("coordinator: {}", error.message()));
  framer_.Append({read_buffer_.data(), size});
  while (true) {
    auto next = framer_.Next();
    if (!next) return Lose(next.error());
    if (!next->has_value()) break;
    if (Status status = OnMessage(**next); !status) return Lose(status.error());
  }
  Read();
}

Status AsioControlChannel::OnMessage(const std::string& bytes) {
  proto::ToWorker message;
  if (!message.ParseFromString(bytes))
    return DataLoss("coordinator: a message of {} bytes is malformed", bytes.size());
  if (!proved_) return OnChallenge(message);
  const std::lock_guard lock(mutex_);
  inbox_.push_back(std::move(message));
  changed_.notify_all();
  return OkStatus();
}

Status AsioControlChannel::OnChallenge(const proto::ToWorker& message) {
  if (message.has_shutdown()) return InvalidArgument("coordinator refused: {}", message.shutdown().reason());
  if (!message.has_challenge() || message.challenge().nonce().size() != kControlNonceBytes ||
      !ProofsEqual(message.challenge().proof(), CoordinatorProof(options_.secret, nonce_))) {
    return InvalidArgument("coordinator {}:{} did not prove that it knows the secret", options_.host,
                           options_.port);
  }
  proved_ = true;
  proto::ToCoordinator reply;
  reply.mutable_proof()->set_proof(WorkerProof(options_.secret, message.challenge().nonce(), options_.id));
  Write(reply);
  deadline_.cancel();
  handshake_over_ = true;
  handshake_.set_value(OkStatus());
  Heartbeat();
  return OkStatus();
}

void AsioControlChannel::Write(const proto::ToCoordinator& message) {
  if (!socket_.is_open() || closing_) return;
  auto frame = FrameControlMessage(message);
  if (!frame) return Lose(frame.error());
  queued_ += *frame;
  if (queued_.size() > options_.max_queued_bytes) {
    return Lose(ResourceExhausted("coordinator does not read: {} bytes are queued", queued_.size()));
  }
  if (writing_.empty()) WriteQueued();
}

void AsioControlChannel::WriteQueued() {
  writing_.swap(queued_);
  asio::async_write(socket_, asio::buffer(writing_), [this](error_code error, size_t) {
    writing_.clear();
    if (error) return Lose(Unavailable("coordinator: {}", error.message()));
    if (!queued_.empty()) return WriteQueued();
    if (closing_) Lose(Unavailable("closed"));
  });
}

void AsioControlChannel::Heartbeat() {
  proto::ToCoordinator message;
  proto::Heartbeat& beat = *message.mutable_heartbeat();
  if (options_.progress != nullptr) beat.set_progress(options_.progress->load(std::memory_order_relaxed));
  if (options_.busy != nullptr) beat.set_busy(options_.busy->load(std::memory_order_relaxed));
  {
    const std::lock_guard lock(mutex_);
    beat.set_doorbell(doorbell_);
  }
  Write(message);
  heartbeat_.expires_after(options_.heartbeat_every);
  heartbeat_.async_wait([this](error_code error) {
    if (!error && socket_.is_open()) Heartbeat();
  });
}

void AsioControlChannel::CloseWhenWritten() {
  if (!socket_.is_open() || writing_.empty()) return Lose(Unavailable("closed"));
  closing_ = true;
  deadline_.expires_after(kCloseLimit);
  deadline_.async_wait([this](error_code error) {
    if (!error) Lose(Unavailable("closed"));
  });
}

void AsioControlChannel::Lose(const Error& why) {
  resolver_.cancel();
  deadline_.cancel();
  heartbeat_.cancel();
  error_code ignored;
  socket_.close(ignored);
  if (!handshake_over_) {
    handshake_over_ = true;
    handshake_.set_value(why);
  }
  const std::lock_guard lock(mutex_);
  if (!connected_) return;
  if (!closing_) spdlog::debug("control link lost: {}", why.message);
  connected_ = false;
  changed_.notify_all();
}

void AsioControlChannel::Send(proto::ToCoordinator message) {
  if (!connected()) return;
  auto shared = std::make_shared<proto::ToCoordinator>(std::move(message));
  asio::post(io_, [this, shared] { Write(*shared); });
}

void AsioControlChannel::Poll(std::vector<proto::ToWorker>* out) {
  const std::lock_guard lock(mutex_);
  for (proto::ToWorker& message : inbox_) {
    if (message.has_doorbell()) doorbell_ = std::max(doorbell_, message.doorbell().opened());
    out->push_back(std::move(message));
  }
  inbox_.clear();
}

bool AsioControlChannel::Wait(Duration limit) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, limit, [this] { return !inbox_.empty() || !connected_; });
  return !inbox_.empty();
}

bool AsioControlChannel::connected() const {
  const std::lock_guard lock(mutex_);
  return connected_;
}

}  // namespace

Result<std::unique_ptr<ControlChannel>> ConnectControl(const ControlClientOptions& options) {
  auto channel = std::make_unique<AsioControlChannel>(options);
  RETURN_IF_ERROR(channel->Connect());
  return std::unique_ptr<ControlChannel>(std::move(channel));
}

}  // namespace exeunt::transport
