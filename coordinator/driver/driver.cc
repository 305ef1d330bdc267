#include "coordinator/driver/driver.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "base/log.h"
#include "coordinator/driver/control_messages.h"
#include "transport/control_server.h"

namespace exeunt::coordinator {
namespace {

constexpr auto kTick = std::chrono::milliseconds(250);

}  // namespace

Driver::Driver(const CoreConfig& config, const Parts& parts)
    : parts_(parts), core_(config), tick_(*parts.io) {}

Driver::~Driver() = default;

uint16_t Driver::control_port() const { return control_->port(); }

Result<std::unique_ptr<Driver>> Driver::Make(const CoreConfig& config,
                                             const transport::ControlServerOptions& control,
                                             const Parts& parts) {
  auto driver = std::unique_ptr<Driver>(new Driver(config, parts));
  RETURN_IF_ERROR(driver->Listen(control));
  return driver;
}

Status Driver::Listen(const transport::ControlServerOptions& options) {
  transport::ControlServerHandlers handlers;
  handlers.connected = [this](const transport::WorkerId& id) {
    Post(WorkerConnected{id.pipeline, id.epoch, id.rank});
  };
  handlers.message = [this](const transport::WorkerId& id, const proto::ToCoordinator& wire) {
    std::optional<FromWorker> message = FromProto(wire);
    if (!message) return;
    if (const auto* report = std::get_if<from_worker::StageReport>(&*message)) {
      parts_.stage_metrics->Report(id.pipeline, id.epoch, id.rank, *report);
    }
    Post(WorkerMessage{id.pipeline, id.epoch, id.rank, std::move(*message)});
  };
  handlers.lost = [this](const transport::WorkerId& id, const std::string& why) {
    Post(WorkerLost{id.pipeline, id.epoch, id.rank, why});
  };
  ASSIGN_OR_RETURN(control_, transport::ControlServer::Listen(parts_.io, options, std::move(handlers)));
  parts_.launcher->on_exit = [this](uint32_t pipeline, uint64_t epoch, const std::string& status) {
    spdlog::info("pipeline={} epoch={} exited: {}", pipeline, epoch, status);
    if (core_.replicas().at(pipeline).pipeline.epoch() == epoch) control_->Drop(pipeline);
    Post(PipelineExited{pipeline, epoch, status});
  };
  return OkStatus();
}

void Driver::Start() { Tick(); }

void Driver::Tick() {
  Post(coordinator::Tick{});
  tick_.expires_after(kTick);
  tick_.async_wait([this, alive = std::weak_ptr(alive_)](boost::system::error_code error) {
    if (!alive.expired() && !error) Tick();
  });
}

void Driver::Post(CoreEvent event) {
  events_.push_back(std::move(event));
  RunSoon();
}

// Events that come together are one step, so that their admissions share a message.
void Driver::RunSoon() {
  if (std::exchange(scheduled_, true)) return;
  boost::asio::post(*parts_.io, [this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) Run();
  });
}

void Driver::Run() {
  scheduled_ = false;
  const std::vector<RequestId> arrived = std::exchange(arriving_, {});
  for (CoreAction& action : core_.Step(MonotonicNow(), std::exchange(events_, {}))) {
    std::visit([this](auto& a) { Do(a); }, action);
  }
  TellAccepted(arrived);
}

// Tells the requests that the step has not refused.
void Driver::TellAccepted(const std::vector<RequestId>& arrived) {
  for (const RequestId id : arrived) {
    const auto it = clients_.find(id);
    if (it == clients_.end()) continue;
    if (const auto sink = it->second.sink) sink->OnAccepted();
  }
}

RequestId Driver::Submit(SequenceRequest request, std::shared_ptr<TokenSink> sink, Traffic traffic) {
  const RequestId id = ++last_id_;
  Client& client = clients_[id];
  client.sink = std::move(sink);
  client.life.traffic = traffic;
  client.life.prompt_tokens = request.prompt.size();
  client.life.max_tokens = static_cast<uint32_t>(request.max_tokens);
  client.life.choice = request.sampling.choice;
  client.life.arrived = MonotonicNow();
  parts_.request_metrics->Submitted(traffic);
  arriving_.push_back(id);
  Post(RequestArrived{id, std::move(request)});
  return id;
}

void Driver::Abandon(RequestId id) {
  const auto it = clients_.find(id);
  if (it == clients_.end()) return;
  it->second.sink = nullptr;
  Post(ClientGone{id});
}

void Driver::Stop(RequestId id) {
  const auto it = clients_.find(id);
  if (it == clients_.end()) return;
  it->second.sink = nullptr;
  it->second.stopped = true;
  Post(StopRequest{id});
}

void Driver::Drain(std::function<void()> drained) {
  drained_ = std::move(drained);
  Post(coordinator::Drain{});
}

void Driver::Do(SendToWorker& action) {
  control_->Send({action.pipeline, action.epoch, action.rank}, ToProto(action.message));
}

void Driver::Do(StartPipeline& action) {
  spdlog::info("pipeline={} epoch={} start", action.pipeline, action.epoch);
  control_->Expect(action.pipeline, action.epoch, core_.config().stages);
  parts_.launcher->Start(action.pipeline, action.epoch);
}

void Driver::Do(EndPipeline& action) {
  spdlog::warn("pipeline={} epoch={} end: {}", action.pipeline, action.epoch, action.why);
  control_->Drop(action.pipeline);
  parts_.launcher->End(action.pipeline, action.epoch);
}

void Driver::Do(RequestAdmitted& action) {
  Client& client = clients_.at(action.id);
  const TimePoint now = MonotonicNow();
  parts_.request_metrics->Admitted(now, action.cached_tokens, &client.life);
  if (client.sink != nullptr) client.sink->OnAdmitted(action.cached_tokens, now - client.life.arrived);
}

void Driver::Do(RequestTokens& action) {
  Client& client = clients_.at(action.id);
  const auto sink = client.sink;
  if (sink == nullptr) return;
  const TimePoint now = MonotonicNow();
  const size_t taken = sink->OnTokens(action.tokens);
  for (size_t i = 0; i < taken; ++i) {
    parts_.request_metrics->Token(now, action.tokens[i].exit_layer, &client.life);
  }
}

void Driver::Do(RequestScores& action) {
  if (const auto sink = clients_.at(action.id).sink) sink->OnScores(action.scores);
}

void Driver::Do(RequestFinished& action) {
  const auto client = clients_.extract(action.id).mapped();
  const EndReason counted = client.stopped ? EndReason::kStop : action.reason;
  parts_.request_metrics->Finished(MonotonicNow(), counted, client.life);
  if (client.sink != nullptr) client.sink->OnFinished(action.reason, action.tokens);
}

void Driver::Do(RequestFailed& action) {
  const auto client = clients_.extract(action.id).mapped();
  parts_.request_metrics->Failed(action.kind, client.life);
  if (client.sink != nullptr) client.sink->OnFailed(action.kind, action.message);
}

void Driver::Do(Drained&) {
  if (const auto drained = std::exchange(drained_, nullptr)) drained();
}

}  // namespace exeunt::coordinator
