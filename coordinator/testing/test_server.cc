#include "coordinator/testing/test_server.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <boost/json.hpp>

#include "base/check.h"
#include "coordinator/openai/json_text.h"

namespace exeunt::coordinator {
TestServerOptions::TestServerOptions() : core(TestCoreConfig()), cluster(TestClusterOptions()) {
  http.host = "127.0.0.1";
  http.port = 0;
}

TestServer::TestServer(TestServerOptions options)
    : cluster_(options.core, options.cluster), http_metrics_(&cluster_.registry()), keys_(options.keys) {
  ServedModel model = FakeModel(options.core.context_length, options.chat_template);
  model.limits.certificates = options.certificates;
  model.limits.default_certificate = options.default_certificate;
  model.max_prompt_tokens = options.max_prompt_tokens;
  gateway_ = std::make_unique<Gateway>(
      std::move(model), Gateway::Parts{.driver = &cluster_.driver(),
                                       .registry = &cluster_.registry(),
                                       .request_metrics = &cluster_.request_metrics(),
                                       .http_metrics = &http_metrics_,
                                       .stage_metrics = &cluster_.stage_metrics(),
                                       .audits = options.audits,
                                       .keys = &keys_,
                                       .stream_comment_interval = options.stream_comment_interval,
                                       .max_requests = options.max_requests});
  options.http.admit = [this](HttpRequest* request) { return gateway_->Admit(request); };
  options.http.on_refused = [this](int status) { http_metrics_.Refused(status); };
  http_ = HttpServer::Listen(&cluster_.io(), options.http, [this](auto exchange) {
            gateway_->Handle(std::move(exchange));
          }).value();
  cluster_.Start();
  thread_ = std::thread([this] { cluster_.io().run(); });
  if (options.wait_ready) CHECK(WaitCluster("/ready", "true"));
}

TestServer::~TestServer() {
  cluster_.io().stop();
  thread_.join();
}

void TestServer::Drain() {
  boost::asio::post(cluster_.io(), [this] { cluster_.driver().Drain([] {}); });
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

}  // namespace exeunt::coordinator
