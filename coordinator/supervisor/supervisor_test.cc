// Real child processes: output, ends, and that none is left behind.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <boost/asio/steady_timer.hpp>
#include <fstream>

#include "coordinator/supervisor/child_process.h"
#include "coordinator/supervisor/mpirun_launcher.h"

namespace exeunt::coordinator {
namespace {

using testing::Contains;
using testing::ElementsAre;

constexpr auto kLong = std::chrono::seconds(30);

class SupervisorTest : public testing::Test {
 protected:
  // Runs a shell script until it exits.
  std::unique_ptr<ChildProcess> Shell(const std::string& script, const std::vector<std::string>& env = {}) {
    ChildHandlers handlers;
    handlers.on_line = [this](const std::string& line) { lines_.push_back(line); };
    handlers.on_exit = [this](const std::string& status) {
      status_ = status;
      io_.stop();
    };
    return ChildProcess::Start(&io_, {"/bin/sh", "-c", script}, env, handlers).value();
  }
  // A file to be run in mpirun's place.
  std::string Script(const std::string& text) {
    const std::string path = testing::TempDir() + "fake_mpirun.sh";
    std::ofstream(path) << "#!/bin/sh\n" << text;
    chmod(path.c_str(), 0755);
    return path;
  }
  static bool Alive(const std::string& pid) { return kill(std::stoi(pid), 0) == 0; }

  boost::asio::io_context io_;
  std::vector<std::string> lines_;
  std::string status_;
};

TEST_F(SupervisorTest, ForwardsLinesAndTheExitCode) {
  const auto child = Shell("echo one; echo two >&2; printf three; exit 7");
  io_.run_for(kLong);
  EXPECT_THAT(lines_, ElementsAre("one", "two", "three"));
  EXPECT_EQ(status_, "exit code 7");
}

TEST_F(SupervisorTest, NamesTheSignal) {
  const auto child = Shell("echo ready; sleep 60");
  while (lines_.empty()) io_.run_one_for(kLong);
  child->Signal(SIGTERM);
  io_.run_for(kLong);
  EXPECT_EQ(status_, "signal 15");
}

TEST_F(SupervisorTest, TheEnvironmentIsOverridden) {
  setenv("EXEUNT_TEST_VALUE", "old", 1);
  const auto child = Shell("echo $EXEUNT_TEST_VALUE", {"EXEUNT_TEST_VALUE=new"});
  io_.run_for(kLong);
  EXPECT_THAT(lines_, ElementsAre("new"));
}

TEST_F(SupervisorTest, AProgramThatIsNotThereExits127) {
  ChildHandlers handlers;
  handlers.on_line = [this](const std::string& line) { lines_.push_back(line); };
  handlers.on_exit = [this](const std::string& status) { status_ = status; };
  const auto child = ChildProcess::Start(&io_, {"/does/not/exist"}, {}, handlers).value();
  io_.run_for(kLong);
  EXPECT_EQ(status_, "exit code 127");
  EXPECT_THAT(lines_, ElementsAre("No such file or directory"));
}

TEST_F(SupervisorTest, DestroyingItKillsTheGroup) {
  auto child = Shell("sleep 60 & echo $!; wait");
  while (lines_.empty()) io_.run_one_for(kLong);
  EXPECT_TRUE(Alive(lines_[0]));
  AdoptOrphans();
  child.reset();
  KillOrphans({});
  EXPECT_FALSE(Alive(lines_[0]));
}

TEST_F(SupervisorTest, CommandLine) {
  MpirunOptions options;
  options.worker_binary = "/bin/worker";
  options.control_host = "10.0.0.1";
  options.control_port = 99;
  options.stages = 3;
  options.extra_args = {"--extra"};
  auto args = MpirunCommand(options, 1, 42);
  EXPECT_EQ(args[0], "mpirun");
  EXPECT_THAT(args, Contains("--oversubscribe"));
  EXPECT_THAT(args, testing::Not(Contains("--allow-run-as-root")));
  const std::vector<std::string> tail(args.end() - 8, args.end());
  EXPECT_THAT(tail, ElementsAre("--extra", "/bin/worker", "--coordinator", "10.0.0.1:99", "--pipeline", "1",
                                "--epoch", "42"));
  options.hostfile = "hosts";
  options.as_root = true;
  args = MpirunCommand(options, 1, 42);
  EXPECT_THAT(args, Contains("--hostfile"));
  EXPECT_THAT(args, Contains("--allow-run-as-root"));
  EXPECT_THAT(args, testing::Not(Contains("--oversubscribe")));
}

TEST_F(SupervisorTest, TheLauncherEndsAStubbornJobAndItsOrphans) {
  const std::string pids = testing::TempDir() + "fake_mpirun.pids";
  std::remove(pids.c_str());
  MpirunOptions options;
  // It ignores SIGTERM, and has a rank in a session of its own, as mpirun's ranks are in groups of their own.
  options.mpirun =
      Script("trap '' TERM\nsetsid sleep 60 &\necho $! $$ > " + pids + ".tmp; mv " + pids + ".tmp " + pids +
             "\n[ \"$EXEUNT_SECRET\" = s3cret ] || exit 9\nwhile :; do sleep 0.05; done\n");
  MpirunLauncher launcher(&io_, options, "s3cret", std::chrono::milliseconds(50));
  launcher.on_exit = [this](uint32_t pipeline, uint64_t epoch, const std::string& status) {
    status_ = fmt::format("{} {} {}", pipeline, epoch, status);
    io_.stop();
  };
  launcher.Start(2, 7);
  boost::asio::steady_timer poll(io_);
  std::function<void()> wait = [&] {
    if (std::ifstream(pids).good()) {
      launcher.End(2, 6);  // not this one
      launcher.End(2, 7);
      return launcher.End(2, 7);
    }
    poll.expires_after(std::chrono::milliseconds(5));
    poll.async_wait([&](auto) { wait(); });
  };
  wait();
  io_.run_for(kLong);
  EXPECT_EQ(status_, "2 7 signal 9");
  std::string rank, parent;
  std::ifstream(pids) >> rank >> parent;
  EXPECT_FALSE(Alive(rank)) << "a rank is left behind";
  EXPECT_FALSE(Alive(parent));
}

TEST_F(SupervisorTest, AJobThatCannotStartExits) {
  MpirunOptions options;
  options.mpirun = "/does/not/exist";
  MpirunLauncher launcher(&io_, options, "s3cret");
  launcher.on_exit = [this](uint32_t, uint64_t, const std::string& status) { status_ = status; };
  launcher.Start(0, 1);
  EXPECT_EQ(status_, "") << "not from inside Start";
  io_.run_for(kLong);
  EXPECT_EQ(status_, "exit code 127");
}

}  // namespace
}  // namespace exeunt::coordinator
