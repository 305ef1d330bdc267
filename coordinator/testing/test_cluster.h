// TestCluster is a driver and a FakeCluster on one io_context, without HTTP.
#pragma once

#include <prometheus/registry.h>

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>

#include "coordinator/calls/served_model.h"
#include "coordinator/driver/driver.h"
#include "coordinator/testing/fake_cluster.h"
#include "coordinator/testing/fake_tokenizer.h"

namespace exeunt::coordinator {

// Two stages of 15 layers, exits after 12 and 21, and a context of 500 tokens.
CoreConfig TestCoreConfig();
FakeClusterOptions TestClusterOptions();
ServedModel FakeModel(uint32_t context_length,
                      const text::ChatTemplateText& chat_template = FakeChatTemplate());

// The driver runs when the test runs io().
class TestCluster {
 public:
  TestCluster(const CoreConfig& core, const FakeClusterOptions& cluster);
  void Start() { driver_->Start(); }
  // Runs io() on this thread until `holds` returns true, for at most 30 s. Returns false if it never does.
  bool RunUntil(const std::function<bool()>& holds);

  boost::asio::io_context& io() { return io_; }
  prometheus::Registry& registry() { return registry_; }
  RequestMetrics& request_metrics() { return request_metrics_; }
  StageMetrics& stage_metrics() { return stage_metrics_; }
  FakeCluster& workers() { return workers_; }
  Driver& driver() { return *driver_; }

 private:
  boost::asio::io_context io_;
  prometheus::Registry registry_;
  RequestMetrics request_metrics_;
  StageMetrics stage_metrics_;
  FakeCluster workers_;
  std::unique_ptr<Driver> driver_;
};

}  // namespace exeunt::coordinator
