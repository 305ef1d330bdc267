#include "coordinator/testing/test_server.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <boost/json.hpp>

#include "base/check.h"
#include "coordinator/openai/json_text.h"
#include "coordinator/testing/fake_tokenizer.h"

namespace exeunt {
namespace {

ServedModel FakeModel(uint32_t context_length, const ChatTemplateText& chat_template) {
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

}  // namespace

TestServerOptions::TestServerOptions() {
  core.stages = 2;
  for (const auto& [begin, end] : {std::pair(0, 15), std::pair(15, 30)}) {
    auto* range = core.plan.add_stages();
    range->set_begin(begin);
    range->set_end(end);
  }
  core.plan.add_exit_layers(12);
  core.plan.add_exit_layers(21);
  core.context_length = 500;
  core.backoff_min = std::chrono::milliseconds(50);
  core.shutdown_grace = std::chrono::milliseconds(200);
  // Sanitizers and a busy machine are slow; no test here is about a worker that falls silent.
  core.heartbeat_timeout = std::chrono::seconds(20);
  http.host = "127.0.0.1";
  http.port = 0;
  cluster.secret = "a secret for tests";
}

TestServer::TestServer(TestServerOptions options)
    : request_metrics_(&registry_, options.core.plan),
      stage_metrics_(&registry_, options.core.pipelines, options.core.plan),
      cluster_(&io_, options.cluster),
      keys_(options.keys) {
  ControlServerOptions control;
  control.host = "127.0.0.1";
  control.secret = options.cluster.secret;
  driver_ = Driver::Make(options.core, control,
                         {.io = &io_,
                          .launcher = &cluster_,
                          .request_metrics = &request_metrics_,
                          .stage_metrics = &stage_metrics_})
                .value();
  cluster_.SetControlPort(driver_->control_port());
  ServedModel model = FakeModel(options.core.context_length, options.chat_template);
  model.limits.certificates = options.certificates;
  model.limits.default_certificate = options.default_certificate;
  model.max_prompt_tokens = options.max_prompt_tokens;
  gateway_ = std::make_unique<Gateway>(
      std::move(model), Gateway::Parts{.driver = driver_.get(),
                                       .registry = &registry_,
                                       .request_metrics = &request_metrics_,
                                       .http_metrics = &http_metrics_,
                                       .stage_metrics = &stage_metrics_,
                                       .audits = options.audits,
                                       .keys = &keys_,
                                       .stream_comment_interval = options.stream_comment_interval,
                                       .max_requests = options.max_requests});
  options.http.admit = [this](HttpRequest* request) { return gateway_->Admit(request); };
  options.http.on_refused = [this](int status) { http_metrics_.Refused(status); };
  http_ = HttpServer::Listen(&io_, options.http, [this](auto exchange) {
            gateway_->Handle(std::move(exchange));
          }).value();
  driver_->Start();
  thread_ = std::thread([this] { io_.run(); });
  if (options.wait_ready) CHECK(WaitCluster("/ready", "true"));
}

TestServer::~TestServer() {
  io_.stop();
  thread_.join();
}

void TestServer::Drain() {
  boost::asio::post(io_, [this] { driver_->Drain([] {}); });
}

bool TestServer::WaitCluster(const std::string& pointer, const std::string& value) {
  for (int i = 0; i < 3000; ++i) {
    const auto view = Fetch(port(), "GET", "/v1/cluster").Json();
    if (WriteJson(view.at_pointer(pointer)) == value) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

TestServerOptions WithReply(const std::string& reply) {
  TestServerOptions options;
  options.cluster.reply = [reply](const std::string&) { return reply; };
  return options;
}

HttpReply Complete(const TestServer& server, const std::string& fields) {
  return Fetch(server.port(), "POST", "/v1/completions",
               fmt::format(R"({{"model":"fake","prompt":"Hello",{}}})", fields));
}

}  // namespace exeunt
