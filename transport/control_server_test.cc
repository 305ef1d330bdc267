// The control server against hostile, stale and broken workers, over real sockets.
#include "transport/control_server.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "transport/control_asio_client.h"
#include "transport/control_framing.h"

namespace exeunt::transport {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr Duration kLong = std::chrono::seconds(20);
constexpr char kSecret[] = "the secret of this test";

class ControlServerTest : public testing::Test {
 protected:
  void Start(ControlServerOptions options = {}) {
    options.host = "127.0.0.1";
    options.secret = kSecret;
    ControlServerHandlers handlers;
    handlers.connected = [this](const WorkerId& id) { Note(fmt::format("connected {}", Name(id))); };
    handlers.message = [this](const WorkerId& id, const proto::ToCoordinator& message) {
      if (message.has_heartbeat()) {
        const std::lock_guard lock(mutex_);
        heartbeat_ = message.heartbeat();
        changed_.notify_all();
      } else {
        Note(fmt::format("message {}", Name(id)));
      }
    };
    handlers.lost = [this](const WorkerId& id, const std::string&) {
      Note(fmt::format("lost {}", Name(id)));
    };
    server_ = ControlServer::Listen(&io_, options, handlers).value();
    server_->Expect(0, 5, 2);
    thread_ = std::thread([this] { io_.run(); });
  }
  void TearDown() override {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

  static std::string Name(const WorkerId& id) {
    return fmt::format("{}/{}/{}", id.pipeline, id.epoch, id.rank);
  }
  void Note(std::string what) {
    const std::lock_guard lock(mutex_);
    notes_.push_back(std::move(what));
    changed_.notify_all();
  }
  bool WaitNote(const std::string& what) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kLong, [&] { return std::count(notes_.begin(), notes_.end(), what) > 0; });
  }
  template <typename Predicate>
  bool WaitHeartbeat(Predicate predicate) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kLong, [&] { return predicate(heartbeat_); });
  }
  // Runs on the server's thread and waits for it.
  void OnServer(const std::function<void()>& work) {
    std::promise<void> done;
    asio::post(io_, [&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }

  ControlClientOptions Client(WorkerId id) const {
    ControlClientOptions options;
    options.host = "127.0.0.1";
    options.port = server_->port();
    options.id = id;
    options.ranks = 2;
    options.secret = kSecret;
    options.heartbeat_every = std::chrono::milliseconds(5);
    return options;
  }
  // What the coordinator says when it refuses: at once, or after the proof.
  static std::string Refusal(const ControlClientOptions& options) {
    auto channel = ConnectControl(options);
    if (!channel) return channel.error().message;
    std::vector<proto::ToWorker> got;
    (*channel)->Wait(kLong);
    (*channel)->Poll(&got);
    return got.empty() || !got[0].has_shutdown() ? "accepted" : got[0].shutdown().reason();
  }

  // A raw client, for what the real one would never send.
  tcp::socket Raw() {
    tcp::socket socket(client_io_);
    socket.connect(server_endpoint());
    return socket;
  }
  tcp::endpoint server_endpoint() const { return {asio::ip::make_address("127.0.0.1"), server_->port()}; }
  // Everything until the server closes.
  static std::string ReadToEnd(tcp::socket* socket) {
    std::string all;
    boost::system::error_code error;
    asio::read(*socket, asio::dynamic_buffer(all), error);
    return all;
  }

  asio::io_context io_;
  asio::io_context client_io_;
  std::unique_ptr<ControlServer> server_;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> notes_;
  proto::Heartbeat heartbeat_;
};

TEST_F(ControlServerTest, AcceptsTheRanksItExpects) {
  Start();
  auto rank0 = ConnectControl(Client({0, 5, 0})).value();
  auto rank1 = ConnectControl(Client({0, 5, 1})).value();
  EXPECT_TRUE(WaitNote("connected 0/5/0"));
  EXPECT_TRUE(WaitNote("connected 0/5/1"));
  proto::ToCoordinator ready;
  ready.mutable_ready();
  rank1->Send(ready);
  EXPECT_TRUE(WaitNote("message 0/5/1"));
  rank0.reset();
  EXPECT_TRUE(WaitNote("lost 0/5/0"));
  EXPECT_TRUE(rank1->connected());
}

TEST_F(ControlServerTest, HeartbeatsCarryTheWorkersCounters) {
  Start();
  std::atomic<uint64_t> progress{41};
  std::atomic<bool> busy{false};
  auto options = Client({0, 5, 0});
  options.progress = &progress;
  options.busy = &busy;
  auto channel = ConnectControl(options).value();
  EXPECT_TRUE(WaitHeartbeat([](const auto& beat) { return beat.progress() == 41 && !beat.busy(); }));
  progress = 42;
  busy = true;
  EXPECT_TRUE(WaitHeartbeat([](const auto& beat) { return beat.progress() == 42 && beat.busy(); }));
  proto::ToWorker doorbell;
  doorbell.mutable_doorbell()->set_opened(9);
  OnServer([&] { server_->Send({0, 5, 0}, doorbell); });
  ASSERT_TRUE(channel->Wait(kLong));
  std::vector<proto::ToWorker> got;
  channel->Poll(&got);
  EXPECT_TRUE(WaitHeartbeat([](const auto& beat) { return beat.doorbell() == 9; }));
}

TEST_F(ControlServerTest, RefusesWhatItDoesNotExpectAndSaysWhy) {
  Start();
  EXPECT_THAT(Refusal(Client({1, 5, 0})), testing::HasSubstr("pipeline 1 is not expected"));
  EXPECT_THAT(Refusal(Client({0, 4, 0})), testing::HasSubstr("epoch 4 of pipeline 0 is stale"));
  EXPECT_THAT(Refusal(Client({0, 6, 0})), testing::HasSubstr("epoch 6 of pipeline 0"));
  EXPECT_THAT(Refusal(Client({0, 5, 2})), testing::HasSubstr("rank 2 of pipeline 0 is not below 2"));
  auto ranks = Client({0, 5, 0});
  ranks.ranks = 3;
  EXPECT_THAT(Refusal(ranks), testing::HasSubstr("a job of 3 ranks, expected 2"));
}

TEST_F(ControlServerTest, TheWorkerRefusesACoordinatorThatDoesNotKnowTheSecret) {
  Start();
  auto options = Client({0, 5, 0});
  options.secret = "another secret entirely";
  EXPECT_THAT(Refusal(options), testing::HasSubstr("did not prove"));
}

// A worker that checks nothing itself, with a wrong proof.
TEST_F(ControlServerTest, RefusesAWrongProof) {
  Start();
  auto socket = Raw();
  proto::ToCoordinator hello;
  hello.mutable_hello()->set_protocol(kControlProtocolVersion);
  hello.mutable_hello()->set_epoch(5);
  hello.mutable_hello()->set_ranks(2);
  hello.mutable_hello()->set_nonce(NewControlNonce());
  proto::ToCoordinator proof;
  proof.mutable_proof()->set_proof(std::string(32, 'x'));
  asio::write(socket, asio::buffer(FrameControlMessage(hello).value() + FrameControlMessage(proof).value()));
  EXPECT_THAT(ReadToEnd(&socket), testing::HasSubstr("the secret is wrong"));
}

TEST_F(ControlServerTest, RefusesAnotherProtocolVersion) {
  Start();
  auto socket = Raw();
  proto::ToCoordinator hello;
  hello.mutable_hello()->set_protocol(kControlProtocolVersion + 1);
  asio::write(socket, asio::buffer(FrameControlMessage(hello).value()));
  EXPECT_THAT(ReadToEnd(&socket),
              testing::HasSubstr(fmt::format("protocol version {} is not {}", kControlProtocolVersion + 1,
                                             kControlProtocolVersion)));
}

TEST_F(ControlServerTest, RefusesASecondConnectionOfARank) {
  Start();
  auto first = ConnectControl(Client({0, 5, 0})).value();
  ASSERT_TRUE(WaitNote("connected 0/5/0"));
  EXPECT_THAT(Refusal(Client({0, 5, 0})), testing::HasSubstr("rank 0 of pipeline 0 is connected already"));
  EXPECT_TRUE(first->connected());
}

TEST_F(ControlServerTest, RefusesAMessageBeforeTheHandshake) {
  Start();
  auto socket = Raw();
  proto::ToCoordinator ready;
  ready.mutable_ready();
  asio::write(socket, asio::buffer(FrameControlMessage(ready).value()));
  EXPECT_THAT(ReadToEnd(&socket), testing::HasSubstr("not the handshake"));
}

TEST_F(ControlServerTest, ClosesOnALengthThatAStrangerMayNotSend) {
  Start();
  auto socket = Raw();
  asio::write(socket, asio::buffer(std::string("\x01\x10\x00\x00", 4)));  // 4097
  EXPECT_EQ(ReadToEnd(&socket), "");
}

TEST_F(ControlServerTest, ClosesOnGarbage) {
  Start();
  auto socket = Raw();
  asio::write(socket, asio::buffer(std::string("\x04\0\0\0\xff\xff\xff\xff", 8)));
  EXPECT_EQ(ReadToEnd(&socket), "");
}

TEST_F(ControlServerTest, ClosesASilentConnectionAtTheDeadline) {
  ControlServerOptions options;
  options.handshake_timeout = std::chrono::milliseconds(20);
  Start(options);
  auto socket = Raw();
  EXPECT_EQ(ReadToEnd(&socket), "");
}

TEST_F(ControlServerTest, TheClientGivesUpOnASilentCoordinator) {
  Start();
  tcp::acceptor silent(client_io_, {asio::ip::make_address("127.0.0.1"), 0});
  auto options = Client({0, 5, 0});
  options.port = silent.local_endpoint().port();
  options.handshake_timeout = std::chrono::milliseconds(20);
  EXPECT_EQ(ConnectControl(options).error().code, ErrorCode::kDeadlineExceeded);
  options.port = 1;
  EXPECT_EQ(ConnectControl(options).error().code, ErrorCode::kUnavailable);
}

TEST_F(ControlServerTest, DropsAWorkerThatDoesNotRead) {
  ControlServerOptions options;
  options.max_queued_bytes = 1 << 16;
  Start(options);
  // A handshake by hand, then silence with an open socket.
  auto socket = Raw();
  proto::ToCoordinator hello;
  hello.mutable_hello()->set_protocol(kControlProtocolVersion);
  hello.mutable_hello()->set_epoch(5);
  hello.mutable_hello()->set_ranks(2);
  hello.mutable_hello()->set_nonce(NewControlNonce());
  asio::write(socket, asio::buffer(FrameControlMessage(hello).value()));
  std::string head(4, '\0');
  asio::read(socket, asio::buffer(head));
  std::string body(static_cast<unsigned char>(head[0]), '\0');
  asio::read(socket, asio::buffer(body));
  proto::ToWorker challenge;
  ASSERT_TRUE(challenge.ParseFromString(body));
  proto::ToCoordinator proof;
  proof.mutable_proof()->set_proof(WorkerProof(kSecret, challenge.challenge().nonce(), {0, 5, 0}));
  asio::write(socket, asio::buffer(FrameControlMessage(proof).value()));
  ASSERT_TRUE(WaitNote("connected 0/5/0"));

  proto::ToWorker big;
  big.mutable_shutdown()->set_reason(std::string(1 << 15, 'x'));
  OnServer([&] {
    for (int i = 0; i < 1000; ++i) server_->Send({0, 5, 0}, big);
  });
  EXPECT_TRUE(WaitNote("lost 0/5/0"));
}

TEST_F(ControlServerTest, ANewEpochClosesTheOldOne) {
  Start();
  auto old = ConnectControl(Client({0, 5, 0})).value();
  ASSERT_TRUE(WaitNote("connected 0/5/0"));
  OnServer([&] { server_->Expect(0, 6, 2); });
  EXPECT_FALSE(old->Wait(kLong));
  EXPECT_FALSE(old->connected());
  EXPECT_THAT(Refusal(Client({0, 5, 0})), testing::HasSubstr("stale"));
  auto now = ConnectControl(Client({0, 6, 0})).value();
  EXPECT_TRUE(WaitNote("connected 0/6/0"));
  const std::lock_guard lock(mutex_);
  EXPECT_EQ(std::count(notes_.begin(), notes_.end(), "lost 0/5/0"), 0) << "a drop on purpose is no loss";
}

}  // namespace
}  // namespace exeunt::transport
