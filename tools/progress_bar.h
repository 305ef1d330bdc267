// ProgressBar redraws one line on stderr if that is a terminal. Otherwise it does nothing.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <string>

namespace exeunt::tools {

class ProgressBar {
 public:
  ProgressBar(std::string what, size_t total)
      : what_(std::move(what)), total_(total), shown_(isatty(STDERR_FILENO) != 0) {}
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ~ProgressBar() {
    if (shown_) std::fprintf(stderr, "\r\x1b[K");
  }

  void Advance(size_t by = 1) {
    done_ += by;
    if (!shown_) return;
    constexpr size_t kWidth = 40;
    const size_t filled = total_ == 0 ? kWidth : done_ * kWidth / total_;
    std::fprintf(stderr, "\r%s [%s%s] %zu/%zu", what_.c_str(), std::string(filled, '#').c_str(),
                 std::string(kWidth - filled, '.').c_str(), done_, total_);
  }

 private:
  std::string what_;
  size_t total_;
  size_t done_ = 0;
  bool shown_;
};

}  // namespace exeunt::tools
