// One conformance suite for every ControlChannel, and what only framing and secrets have.
#include "transport/control_channel.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <thread>

#include "transport/control_asio_client.h"
#include "transport/control_framing.h"
#include "transport/control_loopback.h"
#include "transport/control_server.h"

namespace exeunt::transport {
namespace {

constexpr Duration kLong = std::chrono::seconds(20);

// A worker's channel and the coordinator's end of it.
class Link {
 public:
  virtual ~Link() = default;
  virtual void SendToWorker(const proto::ToWorker& message) = 0;
  // The next message that is no heartbeat; nullopt after kLong or when the link is lost.
  virtual std::optional<proto::ToCoordinator> Receive() = 0;
  virtual bool WaitLost() = 0;  // the coordinator saw the worker go
  virtual void CloseCoordinator() = 0;
  std::unique_ptr<ControlChannel> worker;
};

class LoopbackLink : public Link {
 public:
  LoopbackLink() { std::tie(coordinator_, worker) = ControlLoopback::Make(); }
  void SendToWorker(const proto::ToWorker& message) override { coordinator_->Send(message); }
  std::optional<proto::ToCoordinator> Receive() override {
    if (next_ == received_.size() && coordinator_->Wait(kLong)) coordinator_->Poll(&received_);
    if (next_ == received_.size()) return std::nullopt;
    return received_[next_++];
  }
  bool WaitLost() override {
    coordinator_->Wait(kLong);
    return !coordinator_->connected();
  }
  void CloseCoordinator() override { coordinator_.reset(); }

 private:
  std::unique_ptr<ControlLoopback> coordinator_;
  std::vector<proto::ToCoordinator> received_;
  size_t next_ = 0;
};

class AsioLink : public Link {
 public:
  AsioLink() {
    ControlServerHandlers handlers;
    handlers.connected = [](const WorkerId&) {};
    handlers.message = [this](const WorkerId&, proto::ToCoordinator message) {
      if (message.has_heartbeat()) return;
      const std::lock_guard lock(mutex_);
      received_.push_back(std::move(message));
      changed_.notify_all();
    };
    handlers.lost = [this](const WorkerId&, const std::string&) {
      const std::lock_guard lock(mutex_);
      lost_ = true;
      changed_.notify_all();
    };
    const std::string secret = NewControlSecret();
    ControlServerOptions server_options;
    server_options.host = "127.0.0.1";
    server_options.secret = secret;
    server_ = ControlServer::Listen(&io_, server_options, handlers).value();
    server_->Expect(kId.pipeline, kId.epoch, 1);
    thread_ = std::thread([this] { io_.run(); });
    ControlClientOptions options;
    options.host = "127.0.0.1";
    options.port = server_->port();
    options.id = kId;
    options.secret = secret;
    worker = ConnectControl(options).value();
    proto::ToCoordinator ready;
    ready.mutable_ready();
    worker->Send(ready);
    Receive();  // so that the server knows the worker before it is told to send to it
  }
  ~AsioLink() override {
    worker.reset();
    io_.stop();
    thread_.join();
  }
  void SendToWorker(const proto::ToWorker& message) override {
    boost::asio::post(io_, [this, message] { server_->Send(kId, message); });
  }
  std::optional<proto::ToCoordinator> Receive() override {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kLong, [&] { return next_ < received_.size() || lost_; });
    if (next_ == received_.size()) return std::nullopt;
    return received_[next_++];
  }
  bool WaitLost() override {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kLong, [&] { return lost_; });
  }
  void CloseCoordinator() override {
    boost::asio::post(io_, [this] { server_->Drop(kId.pipeline); });
  }

 private:
  static constexpr WorkerId kId{.pipeline = 3, .epoch = 7, .rank = 0};
  boost::asio::io_context io_;
  std::unique_ptr<ControlServer> server_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<proto::ToCoordinator> received_;
  size_t next_ = 0;
  bool lost_ = false;
  std::thread thread_;
};

struct Implementation {
  std::string name;
  std::function<std::unique_ptr<Link>()> make;
};

class ControlChannelTest : public testing::TestWithParam<Implementation> {
 protected:
  std::unique_ptr<Link> link_ = GetParam().make();

  static proto::ToWorker Doorbell(uint64_t opened) {
    proto::ToWorker message;
    message.mutable_doorbell()->set_opened(opened);
    return message;
  }
  // Everything up to `n` messages, waiting for them.
  std::vector<proto::ToWorker> PollAll(size_t n) {
    std::vector<proto::ToWorker> out;
    while (out.size() < n && link_->worker->Wait(kLong)) link_->worker->Poll(&out);
    return out;
  }
};

TEST_P(ControlChannelTest, DeliversInOrderToTheWorker) {
  for (uint64_t i = 1; i <= 1000; ++i) link_->SendToWorker(Doorbell(i));
  const auto got = PollAll(1000);
  ASSERT_EQ(got.size(), 1000U);
  for (uint64_t i = 0; i < 1000; ++i) EXPECT_EQ(got[i].doorbell().opened(), i + 1);
}

TEST_P(ControlChannelTest, DeliversInOrderToTheCoordinator) {
  for (uint64_t i = 1; i <= 1000; ++i) {
    proto::ToCoordinator message;
    message.mutable_closed()->add_sequence(i);
    link_->worker->Send(message);
  }
  for (uint64_t i = 1; i <= 1000; ++i) {
    const auto got = link_->Receive();
    ASSERT_TRUE(got.has_value());
    ASSERT_EQ(got->closed().sequence(0), i);
  }
}

TEST_P(ControlChannelTest, CarriesMessagesOfMegabytes) {
  proto::ToWorker admit;
  for (int i = 0; i < 1'000'000; ++i) {
    if (i % 250'000 == 0) admit.mutable_admit()->add_open();
    admit.mutable_admit()->mutable_open()->rbegin()->add_prompt(i);
  }
  link_->SendToWorker(admit);
  const auto got = PollAll(1);
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got[0].SerializeAsString(), admit.SerializeAsString());

  proto::ToCoordinator fatal;
  fatal.mutable_fatal()->set_message(std::string(3'000'000, 'x'));
  link_->worker->Send(fatal);
  EXPECT_EQ(link_->Receive().value().fatal().message().size(), 3'000'000U);
}

TEST_P(ControlChannelTest, WaitReturnsFalseWhenNothingComes) {
  EXPECT_FALSE(link_->worker->Wait(std::chrono::milliseconds(1)));
  EXPECT_TRUE(link_->worker->connected());
  std::vector<proto::ToWorker> out;
  link_->worker->Poll(&out);
  EXPECT_TRUE(out.empty());
}

TEST_P(ControlChannelTest, WaitIsWokenByAMessage) {
  std::thread waker([this] { link_->SendToWorker(Doorbell(1)); });
  EXPECT_TRUE(link_->worker->Wait(kLong));
  EXPECT_TRUE(link_->worker->Wait(Duration(0))) << "a message that was not polled is still there";
  waker.join();
}

TEST_P(ControlChannelTest, LosingTheCoordinatorWakesTheWorker) {
  std::thread closer([this] { link_->CloseCoordinator(); });
  EXPECT_FALSE(link_->worker->Wait(kLong));
  EXPECT_FALSE(link_->worker->connected());
  link_->worker->Send({});  // dropped, harmless
  closer.join();
}

TEST_P(ControlChannelTest, TheLastMessageOfADyingWorkerArrives) {
  proto::ToCoordinator fatal;
  fatal.mutable_fatal()->set_message("last words");
  link_->worker->Send(fatal);
  link_->worker.reset();
  EXPECT_EQ(link_->Receive().value().fatal().message(), "last words");
  EXPECT_TRUE(link_->WaitLost());
}

INSTANTIATE_TEST_SUITE_P(All, ControlChannelTest,
                         testing::Values(Implementation{"loopback",
                                                        [] { return std::make_unique<LoopbackLink>(); }},
                                         Implementation{"asio", [] { return std::make_unique<AsioLink>(); }}),
                         [](const auto& param) { return param.param.name; });

TEST(ControlFramer, CutsAStreamAtAnyPlace) {
  std::string stream;
  for (int i = 0; i < 20; ++i) {
    proto::ToCoordinator message;
    message.mutable_fatal()->set_message(std::string(static_cast<size_t>(i) * 7, 'a'));
    stream += FrameControlMessage(message).value();
  }
  for (size_t chunk = 1; chunk < 40; ++chunk) {
    ControlFramer framer(1024);
    size_t messages = 0;
    for (size_t at = 0; at < stream.size(); at += chunk) {
      framer.Append(std::string_view(stream).substr(at, chunk));
      for (auto next = framer.Next().value(); next.has_value(); next = framer.Next().value()) {
        proto::ToCoordinator message;
        ASSERT_TRUE(message.ParseFromString(*next));
        ASSERT_EQ(message.fatal().message().size(), messages++ * 7);
      }
    }
    EXPECT_EQ(messages, 20U);
  }
}

TEST(ControlFramer, RefusesALengthOverTheLimit) {
  ControlFramer framer(10);
  framer.Append(std::string("\x0a\0\0\0", 4));
  EXPECT_TRUE(framer.Next().has_value());
  ControlFramer over(10);
  over.Append(std::string("\x0b\0\0\0", 4));
  EXPECT_EQ(over.Next().error().code, ErrorCode::kDataLoss);
}

TEST(ControlFramer, RefusesToFrameAMessageOverTheLimit) {
  proto::ToCoordinator message;
  message.mutable_fatal()->set_message(std::string(kMaxControlMessageBytes, 'x'));
  EXPECT_EQ(FrameControlMessage(message).error().code, ErrorCode::kResourceExhausted);
}

TEST(ControlAuth, ProofsDependOnEveryInput) {
  const WorkerId id{.pipeline = 1, .epoch = 2, .rank = 3};
  const std::string proof = WorkerProof("secret", "nonce", id);
  EXPECT_EQ(proof.size(), 32U);
  EXPECT_TRUE(ProofsEqual(proof, WorkerProof("secret", "nonce", id)));
  for (const std::string& other :
       {WorkerProof("Secret", "nonce", id), WorkerProof("secret", "Nonce", id),
        WorkerProof("secret", "nonce", {2, 2, 3}), WorkerProof("secret", "nonce", {1, 3, 3}),
        WorkerProof("secret", "nonce", {1, 2, 4}), CoordinatorProof("secret", "nonce"), proof.substr(1)}) {
    EXPECT_FALSE(ProofsEqual(proof, other));
  }
  EXPECT_NE(NewControlSecret(), NewControlSecret());
}

TEST(ControlAuth, SecretFromTheEnvironment) {
  unsetenv("EXEUNT_SECRET");
  unsetenv("EXEUNT_SECRET_FILE");
  EXPECT_EQ(LoadControlSecret().error().code, ErrorCode::kNotFound);
  setenv("EXEUNT_SECRET", "0123456789abcde", 1);
  EXPECT_EQ(LoadControlSecret().error().code, ErrorCode::kInvalidArgument);
  setenv("EXEUNT_SECRET", "0123456789abcdef\n", 1);
  EXPECT_EQ(LoadControlSecret().value(), "0123456789abcdef");
  setenv("EXEUNT_SECRET_FILE", "/does/not/exist", 1);
  EXPECT_EQ(LoadControlSecret().error().code, ErrorCode::kNotFound);
  unsetenv("EXEUNT_SECRET");
  unsetenv("EXEUNT_SECRET_FILE");
}

}  // namespace
}  // namespace exeunt::transport
