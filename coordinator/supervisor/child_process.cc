#include "coordinator/supervisor/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

extern "C" {  // glibc 2.36 forgot it
#include <sys/pidfd.h>
}

#include "base/check.h"
#include "base/error.h"

namespace exeunt::coordinator {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr size_t kMaxLineBytes = 4096;

std::string StatusText(int status) {
  if (WIFSIGNALED(status)) return fmt::format("signal {}", WTERMSIG(status));
  return fmt::format("exit code {}", WEXITSTATUS(status));
}

std::vector<char*> Pointers(std::vector<std::string>* strings) {
  std::vector<char*> pointers;
  for (std::string& string : *strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Runs in the child between fork and exec. Only async-signal-safe calls are allowed.
[[noreturn]] void RunChild(char* const* argv, char* const* envp, int output, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(127);  // the parent died before the line above
  dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  execvpe(argv[0], argv, envp);
  const char* text = strerror(errno);
  if (write(STDERR_FILENO, text, strlen(text)) < 0) _exit(126);
  _exit(127);
}

// Shared pointers of its pending operations keep it alive.
class Child : public std::enable_shared_from_this<Child> {
 public:
  Child(asio::io_context* io, pid_t pid, int pidfd, int output, ChildHandlers handlers)
      : pid_(pid), pidfd_(*io, pidfd), output_(*io, output), handlers_(std::move(handlers)) {}

  void Watch() {
    ReadOutput();
    pidfd_.async_wait(asio::posix::stream_descriptor::wait_read,
                      [self = shared_from_this()](error_code error) {
                        if (!error) self->Reap();
                      });
  }
  void Signal(int signal) {
    if (!reaped_) kill(-pid_, signal);
  }
  void KillNow() {
    handlers_ = {};
    if (!reaped_) {
      kill(-pid_, SIGKILL);
      int status = 0;
      while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
      }
      reaped_ = true;
    }
    error_code ignored;
    pidfd_.close(ignored);
    output_.close(ignored);
  }
  pid_t pid() const { return pid_; }

 private:
  void ReadOutput() {
    output_.async_read_some(asio::buffer(buffer_),
                            [self = shared_from_this()](error_code error, size_t size) {
                              if (error) return;
                              self->Lines({self->buffer_.data(), size});
                              self->ReadOutput();
                            });
  }
  void Lines(std::string_view text) {
    for (const char c : text) {
      if (c != '\n' && line_.size() < kMaxLineBytes) line_ += c;
      if (c == '\n') FlushLine();
    }
  }
  void FlushLine() {
    if (!line_.empty() && handlers_.on_line) handlers_.on_line(line_);
    line_.clear();
  }
  void Reap() {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) != pid_) return;
    reaped_ = true;
    kill(-pid_, SIGKILL);  // processes that it left in its group
    DrainOutput();
    FlushLine();
    error_code ignored;
    output_.close(ignored);
    const auto handlers = std::exchange(handlers_, {});
    if (handlers.on_exit) handlers.on_exit(StatusText(status));
  }
  // Reads what is already in the pipe. It does not wait for other processes that hold the pipe's other end.
  void DrainOutput() {
    error_code error;
    output_.non_blocking(true, error);
    while (!error) {
      const size_t size = output_.read_some(asio::buffer(buffer_), error);
      Lines({buffer_.data(), size});
    }
  }

  const pid_t pid_;
  asio::posix::stream_descriptor pidfd_;
  asio::posix::stream_descriptor output_;
  ChildHandlers handlers_;
  std::array<char, 4096> buffer_;
  std::string line_;
  bool reaped_ = false;
};

class ChildHandle : public ChildProcess {
 public:
  explicit ChildHandle(std::shared_ptr<Child> child) : child_(std::move(child)) {}
  ~ChildHandle() override { child_->KillNow(); }
  void Signal(int signal) override { child_->Signal(signal); }
  int pid() const override { return child_->pid(); }

 private:
  std::shared_ptr<Child> child_;
};

std::vector<std::string> MergedEnvironment(const std::vector<std::string>& more) {
  std::vector<std::string> all = more;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string_view key = text.substr(0, text.find('=') + 1);
    const bool overridden = std::any_of(more.begin(), more.end(),
                                        [&](const std::string& other) { return other.starts_with(key); });
    if (!overridden) all.emplace_back(text);
  }
  return all;
}

}  // namespace

Result<std::unique_ptr<ChildProcess>> ChildProcess::Start(asio::io_context* io,
                                                          const std::vector<std::string>& args,
                                                          const std::vector<std::string>& environment,
                                                          ChildHandlers handlers) {
  CHECK(!args.empty());
  std::vector<std::string> arguments = args;
  std::vector<std::string> merged = MergedEnvironment(environment);
  const std::vector<char*> argv = Pointers(&arguments);
  const std::vector<char*> envp = Pointers(&merged);
  int output[2];
  if (pipe2(output, O_CLOEXEC) != 0) return Unavailable("pipe: {}", strerror(errno));
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) RunChild(argv.data(), envp.data(), output[1], parent);
  const int fork_error = errno;
  close(output[1]);
  if (pid < 0) {
    close(output[0]);
    return Unavailable("fork: {}", strerror(fork_error));
  }
  setpgid(pid, pid);  // also here, because either may come first
  const int pidfd = pidfd_open(pid, 0);
  CHECK_MSG(pidfd >= 0, "pidfd_open: {}", strerror(errno));
  fcntl(pidfd, F_SETFD, FD_CLOEXEC);
  auto child = std::make_shared<Child>(io, pid, pidfd, output[0], std::move(handlers));
  child->Watch();
  return std::unique_ptr<ChildProcess>(std::make_unique<ChildHandle>(std::move(child)));
}

void AdoptOrphans() { CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); }

void KillOrphans(const std::vector<int>& keep) {
  std::error_code ignored;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", ignored)) {
    std::ifstream children(thread.path() / "children");
    for (int pid = 0; children >> pid;) {
      if (std::find(keep.begin(), keep.end(), pid) != keep.end()) continue;
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }
}

}  // namespace exeunt::coordinator
