// exeunt top shows a live cluster on the terminal.
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <boost/json.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "base/error.h"
#include "tools/http_get.h"
#include "tools/top.h"
#include "tools/verbs.h"

namespace exeunt::tools {
namespace {

constexpr Duration kAnswerLimit = std::chrono::seconds(5);
constexpr int kPipeWidth = 1000;  // without a terminal nothing is cut

struct TopOptions {
  std::string url = "http://127.0.0.1:8080";
  std::string ca_file;
  bool insecure = false;
  double interval_s = 2;
  bool once = false;
};

std::atomic<bool> interrupted{false};

// Switches the terminal to its alternate screen and restores it at the end.
class Screen {
 public:
  Screen() { std::fputs("\x1b[?1049h\x1b[?25l", stdout); }
  ~Screen() {
    std::fputs("\x1b[?25h\x1b[?1049l", stdout);
    std::fflush(stdout);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;
  void Show(const std::vector<std::string>& lines, int height) {
    std::fputs("\x1b[H", stdout);
    for (int i = 0; i < static_cast<int>(lines.size()) && i < height; ++i) {
      std::printf("%s%s\x1b[K", i == 0 ? "" : "\r\n", lines[static_cast<size_t>(i)].c_str());
    }
    std::fputs("\x1b[J", stdout);
    std::fflush(stdout);
  }
};

winsize TerminalSize() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) size = {.ws_row = 24, .ws_col = 80};
  return size;
}

Result<ClusterSnapshot> Ask(const TopOptions& options, const HttpAddress& address) {
  const char* key = std::getenv("EXEUNT_API_KEY");
  const HttpGetOptions get{.bearer = key == nullptr ? "" : key,
                           .ca_file = options.ca_file,
                           .insecure = options.insecure,
                           .limit = kAnswerLimit,
                           .stop = [] { return interrupted.load(); }};
  ASSIGN_OR_RETURN(const HttpAnswer answer, HttpGet(address, "/v1/cluster", get));
  if (answer.status == 401 || answer.status == 403) {
    return Unavailable("HTTP {}: the key is to be in EXEUNT_API_KEY", answer.status);
  }
  if (answer.status != 200) return Unavailable("HTTP {}", answer.status);
  boost::system::error_code error;
  ClusterSnapshot snapshot{boost::json::parse(answer.body, error), Seconds(MonotonicNow().since_start)};
  if (error || !snapshot.view.is_object()) return DataLoss("/v1/cluster is no JSON object");
  return snapshot;
}

void Wait(double seconds) {
  const TimePoint end = MonotonicNow() + FromSeconds(seconds);
  while (!interrupted && MonotonicNow() < end) std::this_thread::sleep_for(std::chrono::milliseconds(50));
}

Status ShowOnce(const TopOptions& options, const HttpAddress& address) {
  ASSIGN_OR_RETURN(const ClusterSnapshot before, Ask(options, address));
  Wait(options.interval_s);
  ASSIGN_OR_RETURN(const ClusterSnapshot now, Ask(options, address));
  const int width = isatty(STDOUT_FILENO) != 0 ? TerminalSize().ws_col : kPipeWidth;
  for (const std::string& line : TopLines(now, before, width)) std::puts(line.c_str());
  return OkStatus();
}

// If a coordinator does not answer, the screen says so above the last known state, and the request is
// repeated.
Status ShowLive(const TopOptions& options, const HttpAddress& address) {
  std::optional<ClusterSnapshot> before, now;
  Screen screen;
  while (!interrupted) {
    auto asked = Ask(options, address);
    if (interrupted) break;
    const winsize size = TerminalSize();
    std::vector<std::string> lines;
    if (asked) {
      before = std::move(now);
      now = std::move(*asked);
      lines = TopLines(*now, before, size.ws_col);
    } else {
      const std::string gone = fmt::format("NO ANSWER from {}: {}", options.url, asked.error().message);
      lines.push_back(gone.substr(0, size.ws_col));
      if (now) {
        lines.push_back(
            fmt::format("{:.0f} s ago it was:", Seconds(MonotonicNow().since_start) - now->seconds));
        for (std::string& line : TopLines(*now, before, size.ws_col)) lines.push_back(std::move(line));
      }
    }
    screen.Show(lines, size.ws_row);
    Wait(options.interval_s);
  }
  return OkStatus();
}

Status RunTop(const TopOptions& options) {
  ASSIGN_OR_RETURN(const HttpAddress address, ParseHttpAddress(options.url));
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { interrupted = true; });
  return options.once ? ShowOnce(options, address) : ShowLive(options, address);
}

}  // namespace

void AddTop(CLI::App* app, int* status) {
  auto options = std::make_shared<TopOptions>();
  CLI::App* verb = app->add_subcommand(
      "top", "A live cluster: stages, utilisation, exits, queue. A key for it is taken from EXEUNT_API_KEY");
  verb->add_option("--url", options->url, "of the coordinator")->envname("EXEUNT_URL")->capture_default_str();
  verb->add_option("--ca", options->ca_file,
                   "PEM file: whom to believe the coordinator's certificate (default: the system's)");
  verb->add_flag("--insecure", options->insecure, "believe any certificate");
  verb->add_option("--interval", options->interval_s, "seconds between two looks")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  verb->add_flag("--once", options->once, "two looks, one picture, as plain text");
  verb->callback([options, status] { *status = Report("top", RunTop(*options)); });
}

}  // namespace exeunt::tools
