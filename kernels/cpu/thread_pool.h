// ThreadPool: runs one function over task numbers on a fixed set of threads, the caller's among them. Workers
// spin briefly for the next job, then sleep. Which thread runs which task is not fixed: tasks must be
// independent. Run is called from one thread at a time; it returns when every task has ended. Tasks must not
// throw.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace exeunt::cpu {

class ThreadPool {
 public:
  // `threads` compute in all, the caller's included; at least 1.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }
  // task(i) for every i in [0, n).
  void Run(int n, const std::function<void(int)>& task);
  // task(begin, end) over [0, n) in pieces of at least `grain`, about two a thread.
  void RunRanges(int n, int grain, const std::function<void(int, int)>& task);

 private:
  void WorkerLoop();
  void Take(const std::function<void(int)>& task, int n);

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> job_{0};  // number of the newest job; published after the fields below
  const std::function<void(int)>* task_ = nullptr;
  int n_ = 0;
  std::atomic<int> next_{0};
  std::atomic<int> active_{0};  // workers that have not left the current job
  bool stop_ = false;
};

}  // namespace exeunt::cpu
