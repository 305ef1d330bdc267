// ChildProcess runs a program in its own process group. The program dies with this process.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace exeunt::coordinator {

struct ChildHandlers {
  std::function<void(const std::string& line)> on_line;  // for a line of output or errors; long lines are cut
  std::function<void(const std::string& status)>
      on_exit;  // called once, after the last line, with "exit code 1" or "signal 9"
};

// Callbacks run on the io_context's thread, never from inside Start. Destroying the object kills the group
// and waits for the child. on_exit is then not called.
class ChildProcess {
 public:
  // `environment` has "KEY=value" entries beside those of this process. The child gets SIGTERM when the
  // thread that calls Start ends.
  static Result<std::unique_ptr<ChildProcess>> Start(boost::asio::io_context* io,
                                                     const std::vector<std::string>& args,
                                                     const std::vector<std::string>& environment,
                                                     ChildHandlers handlers);
  virtual ~ChildProcess() = default;
  // Sends the signal to the whole group.
  virtual void Signal(int signal) = 0;
  virtual int pid() const = 0;
};

// Makes orphans of this process's descendants its own children, so that KillOrphans finds them.
void AdoptOrphans();
// Kills and reaps every child of this process that is not in `keep`.
void KillOrphans(const std::vector<int>& keep);

}  // namespace exeunt::coordinator
