// JobLauncher starts and ends jobs (one per pipeline and epoch) for the core. There are two implementations,
// the supervisor of mpirun and a fake for tests.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace exeunt::coordinator {

class JobLauncher {
 public:
  virtual ~JobLauncher() = default;
  // Starts a job and never blocks. on_exit follows once, later, however the job ends, and also if it cannot
  // start.
  virtual void Start(uint32_t pipeline, uint64_t epoch) = 0;
  // Asks the job to end, then ends it by force. An unknown job is ignored.
  virtual void End(uint32_t pipeline, uint64_t epoch) = 0;
  // Called on the io_context's thread, never from inside Start or End. Set it once, before the first Start.
  std::function<void(uint32_t pipeline, uint64_t epoch, const std::string& status)> on_exit;
};

}  // namespace exeunt::coordinator
