// MpirunLauncher runs each pipeline's job as one mpirun child.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "coordinator/driver/job_launcher.h"
#include "coordinator/supervisor/child_process.h"
#include "coordinator/supervisor/mpirun_command.h"

namespace exeunt::coordinator {

// One thread: the io_context's. The io_context must outlive the launcher. A job that is to end gets SIGTERM,
// then SIGKILL after `kill_after` (mpirun itself takes about 2 s to end its ranks). Ranks that outlive their
// mpirun are also killed. Destroying the launcher kills every job.
class MpirunLauncher : public JobLauncher {
 public:
  MpirunLauncher(boost::asio::io_context* io, MpirunOptions options, std::string secret,
                 Duration kill_after = std::chrono::seconds(8));

  // Call it before the first Start. The address for workers is known only once the control server listens.
  void SetControlPort(uint16_t port) { options_.control_port = port; }
  void Start(uint32_t pipeline, uint64_t epoch) override;
  void End(uint32_t pipeline, uint64_t epoch) override;

 private:
  struct Job {
    std::unique_ptr<ChildProcess> child;
    std::unique_ptr<boost::asio::steady_timer> kill_timer;
  };
  using Key = std::pair<uint32_t, uint64_t>;
  void OnExit(const Key& key, const std::string& status);

  boost::asio::io_context* io_;
  MpirunOptions options_;
  const std::string secret_;
  const Duration kill_after_;
  std::map<Key, Job> jobs_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // expires with the launcher
};

}  // namespace exeunt::coordinator
