#include "coordinator/supervisor/mpirun_launcher.h"

#include <signal.h>

#include <boost/asio/post.hpp>

#include "base/log.h"

namespace exeunt::coordinator {

MpirunLauncher::MpirunLauncher(boost::asio::io_context* io, MpirunOptions options, std::string secret,
                               Duration kill_after)
    : io_(io), options_(std::move(options)), secret_(std::move(secret)), kill_after_(kill_after) {
  AdoptOrphans();
}

void MpirunLauncher::Start(uint32_t pipeline, uint64_t epoch) {
  const Key key{pipeline, epoch};
  ChildHandlers handlers;
  handlers.on_line = [pipeline](const std::string& line) {
    spdlog::info("[pipeline {}] {}", pipeline, line);
  };
  handlers.on_exit = [this, key](const std::string& status) { OnExit(key, status); };
  auto child = ChildProcess::Start(io_, MpirunCommand(options_, pipeline, epoch),
                                   {"EXEUNT_SECRET=" + secret_}, std::move(handlers));
  if (child) {
    jobs_[key].child = std::move(*child);
    return;
  }
  boost::asio::post(*io_, [this, alive = std::weak_ptr(alive_), key, why = child.error().message] {
    if (!alive.expired()) on_exit(key.first, key.second, why);
  });
}

void MpirunLauncher::End(uint32_t pipeline, uint64_t epoch) {
  const auto it = jobs_.find({pipeline, epoch});
  if (it == jobs_.end() || it->second.kill_timer != nullptr) return;
  it->second.child->Signal(SIGTERM);
  it->second.kill_timer = std::make_unique<boost::asio::steady_timer>(*io_, kill_after_);
  it->second.kill_timer->async_wait(
      [this, alive = std::weak_ptr(alive_), key = it->first](boost::system::error_code error) {
        if (alive.expired() || error || !jobs_.contains(key)) return;
        spdlog::warn("pipeline={} epoch={} does not end: killed", key.first, key.second);
        jobs_.at(key).child->Signal(SIGKILL);
      });
}

void MpirunLauncher::OnExit(const Key& key, const std::string& status) {
  jobs_.erase(key);
  std::vector<int> running;
  for (const auto& [other, job] : jobs_) running.push_back(job.child->pid());
  KillOrphans(running);
  on_exit(key.first, key.second, status);
}

}  // namespace exeunt::coordinator
