#include "coordinator/testing/test_cluster.h"

#include <chrono>
#include <utility>

#include "transport/control_server.h"

namespace exeunt::coordinator {

CoreConfig TestCoreConfig() {
  CoreConfig core;
  core.stages = 2;
  core.plan.stages = {{0, 15}, {15, 30}};
  core.plan.exit_layers = {12, 21};
  core.context_length = 500;
  core.backoff_min = std::chrono::milliseconds(50);
  core.shutdown_grace = std::chrono::milliseconds(200);
  // Sanitizers and a busy machine are slow. No test here checks a worker that falls silent.
  core.heartbeat_timeout = std::chrono::seconds(20);
  return core;
}

FakeClusterOptions TestClusterOptions() {
  FakeClusterOptions cluster;
  cluster.secret = "a secret for tests";
  return cluster;
}

ServedModel FakeModel(uint32_t context_length, const text::ChatTemplateText& chat_template) {
  ServedModel model;
  model.id = "fake";
  model.context_length = context_length;
  model.default_max_tokens = 100;
  model.tokenizer = MakeFakeTokenizer(chat_template);
  model.chat = LoadChat(*model.tokenizer, "").value();
  model.limits.n_layers = 30;
  model.limits.exit_layers = {12, 21};
  model.limits.vocab_size = model.tokenizer->vocab_size();
  return model;
}

TestCluster::TestCluster(const CoreConfig& core, const FakeClusterOptions& cluster)
    : request_metrics_(&registry_, core.plan),
      stage_metrics_(&registry_, core.pipelines, core.plan),
      workers_(&io_, cluster) {
  transport::ControlServerOptions control;
  control.host = "127.0.0.1";
  control.secret = cluster.secret;
  driver_ = Driver::Make(core, control,
                         {.io = &io_,
                          .launcher = &workers_,
                          .request_metrics = &request_metrics_,
                          .stage_metrics = &stage_metrics_})
                .value();
  workers_.SetControlPort(driver_->control_port());
}

bool TestCluster::RunUntil(const std::function<bool()>& holds) {
  const TimePoint limit = MonotonicNow() + std::chrono::seconds(30);
  while (!holds()) {
    if (MonotonicNow() > limit) return false;
    io_.run_one_for(std::chrono::milliseconds(100));
  }
  return true;
}

}  // namespace exeunt::coordinator
