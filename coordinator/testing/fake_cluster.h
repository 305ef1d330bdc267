// FakeCluster runs jobs of fake workers for tests in this process, but over real control connections. Each
// job "generates" the bytes of a reply as tokens, out of order and from all its ranks.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "coordinator/driver/job_launcher.h"
#include "transport/control.pb.h"

namespace exeunt::coordinator {

struct FakeClusterOptions {
  uint32_t stages = 2;
  uint64_t kv_pages = 64;
  uint32_t page_tokens = 16;
  std::string secret;
  std::vector<int> exit_layers = {12, 30};  // used in turn
  bool load = true;                         // initial value of FakeCluster::load
  // Returns the answer to a prompt. "" means "x" without end. An end token follows the answer if the request
  // has one.
  std::function<std::string(const std::string& prompt)> reply;
  std::function<std::string(const std::string& prompt)> off_reply;  // answer in mode `off`; none: reply
};

// Call Start and End on the io_context's thread. The other functions may be called on any thread. Each job
// has a thread. Destroy the cluster after the io_context has stopped.
class FakeCluster : public JobLauncher {
 public:
  FakeCluster(boost::asio::io_context* io, FakeClusterOptions options);
  ~FakeCluster() override;

  void SetControlPort(uint16_t port) { port_ = port; }
  void Start(uint32_t pipeline, uint64_t epoch) override;
  void End(uint32_t pipeline, uint64_t epoch) override;

  // If false, jobs take requests and give no tokens.
  std::atomic<bool> generate{true};
  // If false, jobs connect and never become ready.
  std::atomic<bool> load;
  // If set, the last rank of each job once reports that every request that is open there has failed.
  std::atomic<bool> fail{false};
  // The number of cancels that the jobs were sent.
  std::atomic<int> cancels{0};
  // Kills every running job as if by signal 9.
  void Crash();

 private:
  struct Job;
  void Run(Job* job);

  boost::asio::io_context* io_;
  const FakeClusterOptions options_;
  std::atomic<uint16_t> port_{0};
  std::mutex mutex_;
  std::vector<std::unique_ptr<Job>> jobs_;
};

}  // namespace exeunt::coordinator
