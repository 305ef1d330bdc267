// JobLauncher: starts and ends the jobs (one per pipeline and epoch) that the core asks for. Two
// implementations: the supervisor of mpirun, and a fake in tests.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace exeunt::coordinator {

class JobLauncher {
 public:
  virtual ~JobLauncher() = default;
  // Never blocks. However the job ends, and if it cannot start, on_exit follows once, later.
  virtual void Start(uint32_t pipeline, uint64_t epoch) = 0;
  // Asks it to end, then makes it end. A job that is not there is ignored.
  virtual void End(uint32_t pipeline, uint64_t epoch) = 0;
  // Called on the io_context's thread, never from inside Start or End. Set once, before the first Start.
  std::function<void(uint32_t pipeline, uint64_t epoch, const std::string& status)> on_exit;
};

}  // namespace exeunt::coordinator
