// Driver runs a CoordinatorCore on an io_context. Control server, jobs and clients give events. The driver
// carries out the actions.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "coordinator/core/coordinator_core.h"
#include "coordinator/driver/job_launcher.h"
#include "coordinator/metrics/request_metrics.h"
#include "coordinator/metrics/stage_metrics.h"

namespace exeunt::transport {
class ControlServer;
struct ControlServerOptions;
}  // namespace exeunt::transport

namespace exeunt::coordinator {

// Receives the tokens of a request. It is called on the io_context's thread, never from inside Submit.
// OnFinished or OnFailed is the last call. It comes exactly once, unless the request was abandoned before.
class TokenSink {
 public:
  virtual ~TokenSink() = default;
  // The request was not refused when it came. It waits for a place or has one. Called once, before any token.
  virtual void OnAccepted() {}
  // The request has left the queue, where it waited for `waited`. `cached_tokens` tokens of the prompt need
  // not be computed.
  virtual void OnAdmitted(uint32_t /*cached_tokens*/, Duration /*waited*/) {}
  // Returns how many of the tokens it uses. Tokens behind a stop string are not used.
  virtual size_t OnTokens(const std::vector<TokenEvent>& tokens) = 0;
  virtual void OnScores(const std::vector<PromptScore>&) {}  // called if the record asked for scores
  virtual void OnFinished(EndReason reason, uint32_t tokens) = 0;
  virtual void OnFailed(FailureKind kind, const std::string& message) = 0;
};

// One thread: the io_context's. io, launcher and metrics must outlive the driver.
class Driver {
 public:
  struct Parts {
    boost::asio::io_context* io = nullptr;
    JobLauncher* launcher = nullptr;
    RequestMetrics* request_metrics = nullptr;
    StageMetrics* stage_metrics = nullptr;
  };
  static Result<std::unique_ptr<Driver>> Make(const CoreConfig& config,
                                              const transport::ControlServerOptions& control,
                                              const Parts& parts);
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  // Starts the pipelines. From this call on time passes for the core.
  void Start();
  uint16_t control_port() const;
  // `traffic` is the kind of traffic for the metrics.
  RequestId Submit(SequenceRequest request, std::shared_ptr<TokenSink> sink,
                   Traffic traffic = Traffic::kClient);
  // The client has gone or needs no more. Its sink gets no more calls. Idempotent.
  void Abandon(RequestId id);
  void Stop(RequestId id);
  // Finishes running requests within the drain limit, ends every pipeline, then calls `drained`.
  void Drain(std::function<void()> drained);
  const CoordinatorCore& core() const { return core_; }
  boost::asio::io_context* io() const { return parts_.io; }

 private:
  struct Client {
    std::shared_ptr<TokenSink> sink;  // null once abandoned
    SequenceLife life;
    bool stopped = false;  // the sink needs no more, so that its end counts as a stop
  };

  Driver(const CoreConfig& config, const Parts& parts);
  Status Listen(const transport::ControlServerOptions& options);
  void Post(CoreEvent event);
  void RunSoon();
  void Run();
  void TellAccepted(const std::vector<RequestId>& arrived);
  void Tick();

  void Do(SendToWorker& action);
  void Do(StartPipeline& action);
  void Do(EndPipeline& action);
  void Do(RequestAdmitted& action);
  void Do(RequestTokens& action);
  void Do(RequestScores& action);
  void Do(RequestFinished& action);
  void Do(RequestFailed& action);
  void Do(Drained& action);

  const Parts parts_;
  CoordinatorCore core_;
  std::unique_ptr<transport::ControlServer> control_;
  boost::asio::steady_timer tick_;
  std::vector<CoreEvent> events_;    // events for the next step
  std::vector<RequestId> arriving_;  // requests that arrive in the next step
  bool scheduled_ = false;
  std::map<RequestId, Client> clients_;
  RequestId last_id_ = 0;
  std::function<void()> drained_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // expires with the driver
};

}  // namespace exeunt::coordinator
