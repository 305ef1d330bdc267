#include "coordinator/testing/fake_cluster.h"

#include <boost/asio/post.hpp>
#include <map>
#include <optional>

#include "coordinator/testing/fake_tokenizer.h"
#include "request/exit_setting.h"
#include "transport/control_asio_client.h"

namespace exeunt::coordinator {
namespace {

using std::chrono::milliseconds;

struct FakeSequence {
  proto::OpenSequence open;
  std::optional<std::string> reply;  // none: "x" without end
  uint32_t generated = 0;
  bool failed = false;
};

// The ranks of one job. They run until a channel is lost or `stop` is set.
class FakeRanks {
 public:
  FakeRanks(const FakeClusterOptions& options, FakeCluster* cluster) : options_(options), cluster_(cluster) {}

  bool Connect(uint32_t pipeline, uint64_t epoch, uint16_t port) {
    for (uint32_t rank = 0; rank < options_.stages; ++rank) {
      transport::ControlClientOptions client;
      client.host = "127.0.0.1";
      client.port = port;
      client.id = {pipeline, epoch, rank};
      client.ranks = options_.stages;
      client.secret = options_.secret;
      auto channel = transport::ConnectControl(client);
      if (!channel) return false;
      channels_.push_back(std::move(*channel));
    }
    return true;
  }
  // Runs one turn. Returns false if the coordinator has gone or ends the job.
  bool Turn() {
    for (auto& channel : channels_) {
      if (!channel->connected()) return false;
    }
    if (!ready_ && cluster_->load) SayReady();
    std::vector<proto::ToWorker> messages;
    channels_[0]->Poll(&messages);
    for (const proto::ToWorker& message : messages) {
      if (message.has_shutdown()) return false;
      for (const proto::OpenSequence& open : message.admit().open()) Open(open);
      for (const uint64_t number : message.cancel().sequence()) Cancel(number);
    }
    if (!open_.empty() && cluster_->fail.exchange(false)) Fail();
    if (cluster_->generate) Generate();
    channels_[0]->Wait(open_.empty() ? milliseconds(20) : milliseconds(1));
    return true;
  }

 private:
  void SayReady() {
    proto::ToCoordinator message;
    message.mutable_ready()->set_kv_pages(options_.kv_pages);
    message.mutable_ready()->set_page_tokens(options_.page_tokens);
    for (auto& channel : channels_) channel->Send(message);
    ready_ = true;
  }
  void Open(const proto::OpenSequence& open) {
    std::string prompt;
    for (const int32_t token : open.prompt()) prompt += token < 256 ? static_cast<char>(token) : '|';
    const bool canary = open.end_tokens().empty();
    const bool off = open.exit().mode() == static_cast<uint32_t>(ExitMode::kOff);
    const auto& reply = off && options_.off_reply ? options_.off_reply : options_.reply;
    FakeSequence& sequence = open_[open.sequence()];
    sequence.open = open;
    if (std::string text = canary || !reply ? "" : reply(prompt); !text.empty())
      sequence.reply = std::move(text);
    if (open.score_from() > 0) Score(&sequence);
  }
  // The full model's scores from score_from on are the reply. The scores of the prompt come first.
  void Score(FakeSequence* sequence) {
    proto::ToCoordinator message;
    const auto scored = static_cast<uint32_t>(sequence->open.prompt_size()) - sequence->open.score_from();
    for (uint32_t i = 0; i < scored; ++i) {
      proto::PromptScore& score = *message.mutable_scores()->add_scores();
      score.set_sequence(sequence->open.sequence());
      score.set_position(sequence->open.score_from() + i);
      score.set_token(TokenAt(*sequence, i));
    }
    if (sequence->reply) sequence->reply->erase(0, scored);
    channels_.back()->Send(message);
  }
  void Cancel(uint64_t number) {
    ++cluster_->cancels;
    const auto it = open_.find(number);
    if (it == open_.end()) return;
    Finish(it->second, proto::FINISH_CANCELLED);
    open_.erase(it);
  }
  void Fail() {
    for (auto& [number, sequence] : open_) {
      sequence.failed = true;
      proto::ToCoordinator message;
      message.mutable_failed()->set_sequence(number);
      message.mutable_failed()->set_reason("out of memory for its states");
      channels_.back()->Send(message);
    }
  }
  static int32_t TokenAt(const FakeSequence& sequence, uint32_t index) {
    if (!sequence.reply) return 'x';
    return index < sequence.reply->size() ? static_cast<unsigned char>((*sequence.reply)[index])
                                          : sequence.open.end_tokens(0);
  }
  // Sends up to three tokens of each sequence, the newest first.
  void Generate() {
    for (auto it = open_.begin(); it != open_.end();) {
      FakeSequence& sequence = it->second;
      if (sequence.failed) {
        ++it;
        continue;
      }
      std::vector<proto::TokenEvent> events;
      bool ended = false;
      while (!ended && events.size() < 3) {
        events.push_back(Token(sequence));
        ended = events.back().token() == kFakeEnd || sequence.generated == sequence.open.max_tokens();
      }
      const bool stop = events.back().token() == kFakeEnd;
      if (ended) Finish(sequence, stop ? proto::FINISH_STOP : proto::FINISH_LENGTH, /*close=*/false);
      for (auto event = events.rbegin(); event != events.rend(); ++event) {
        proto::ToCoordinator message;
        *message.mutable_tokens()->add_events() = *event;
        channels_[event->position() % channels_.size()]->Send(message);
      }
      if (ended) Close(sequence);
      it = ended ? open_.erase(it) : std::next(it);
    }
  }
  proto::TokenEvent Token(FakeSequence& sequence) {
    const uint32_t index = sequence.generated++;
    proto::TokenEvent event;
    event.set_sequence(sequence.open.sequence());
    event.set_position(static_cast<uint32_t>(sequence.open.prompt_size()) + index);
    event.set_exit_layer(options_.exit_layers[index % options_.exit_layers.size()]);
    event.set_logprob(-0.5F);
    event.set_token(TokenAt(sequence, index));
    for (int i = 0; i < sequence.open.sampling().n_logprobs(); ++i) {
      proto::TokenLogprob& top = *event.add_top();
      top.set_token('a' + i);
      top.set_logprob(-1.0F - static_cast<float>(i));
    }
    return event;
  }
  void Finish(const FakeSequence& sequence, proto::FinishReason reason, bool close = true) {
    proto::ToCoordinator message;
    message.mutable_finished()->set_sequence(sequence.open.sequence());
    message.mutable_finished()->set_tokens(sequence.generated);
    message.mutable_finished()->set_reason(reason);
    channels_[0]->Send(message);
    if (close) Close(sequence);
  }
  void Close(const FakeSequence& sequence) {
    proto::ToCoordinator message;
    message.mutable_closed()->add_sequence(sequence.open.sequence());
    for (auto& channel : channels_) channel->Send(message);
  }

  const FakeClusterOptions& options_;
  FakeCluster* cluster_;
  std::vector<std::unique_ptr<transport::ControlChannel>> channels_;
  std::map<uint64_t, FakeSequence> open_;
  bool ready_ = false;
};

}  // namespace

struct FakeCluster::Job {
  uint32_t pipeline = 0;
  uint64_t epoch = 0;
  std::atomic<const char*> stop{nullptr};  // exit status
  std::thread thread;
};

FakeCluster::FakeCluster(boost::asio::io_context* io, FakeClusterOptions options)
    : load(options.load), io_(io), options_(std::move(options)) {}

FakeCluster::~FakeCluster() {
  for (auto& job : jobs_) job->stop = "end of the test";
  for (auto& job : jobs_) job->thread.join();
}

void FakeCluster::Start(uint32_t pipeline, uint64_t epoch) {
  const std::lock_guard lock(mutex_);
  auto& job = jobs_.emplace_back(std::make_unique<Job>());
  job->pipeline = pipeline;
  job->epoch = epoch;
  job->thread = std::thread([this, raw = job.get()] { Run(raw); });
}

void FakeCluster::Run(Job* job) {
  {
    FakeRanks ranks(options_, this);
    if (ranks.Connect(job->pipeline, job->epoch, port_)) {
      while (job->stop == nullptr && ranks.Turn()) {
      }
    }
  }
  const char* status = job->stop != nullptr ? job->stop.load() : "exit code 0";
  boost::asio::post(*io_, [this, pipeline = job->pipeline, epoch = job->epoch, status] {
    if (on_exit) on_exit(pipeline, epoch, status);
  });
}

void FakeCluster::End(uint32_t pipeline, uint64_t epoch) {
  const std::lock_guard lock(mutex_);
  for (auto& job : jobs_) {
    if (job->pipeline == pipeline && job->epoch == epoch) job->stop = "signal 15";
  }
}

void FakeCluster::Crash() {
  const std::lock_guard lock(mutex_);
  for (auto& job : jobs_) job->stop = "signal 9";
}

}  // namespace exeunt::coordinator
