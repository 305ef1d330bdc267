// ThreadPool runs one function over task numbers on a fixed set of threads. The caller's thread is one of
// them. Workers spin briefly for the next job, then sleep. Any thread may run any task, so that tasks must be
// independent. Each thread has a contiguous share of the numbers and helps others when its share is done. A
// thread therefore reads memory in long runs, and the same memory in job after job. Only one thread at a time
// may call Run. Run returns when every task has ended, and allocates nothing. Tasks must not throw.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "base/function_ref.h"

namespace exeunt::cpu {

class ThreadPool {
 public:
  // `threads` is the number of threads that compute, with the caller's, and at least 1. If `cpus` names as
  // many CPUs, thread i is pinned to cpus[i]. The calling thread is thread 0 and is pinned, too.
  explicit ThreadPool(int threads, const std::vector<int>& cpus = {});
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }
  // Calls task(i) for every i in [0, n).
  void Run(int n, FunctionRef<void(int)> task);
  // Calls task(begin, end) over [0, n) in pieces of at least `grain`, with a few pieces for each thread.
  void RunRanges(int n, int grain, FunctionRef<void(int, int)> task);

 private:
  // A thread's share of the current job.
  struct alignas(64) Share {
    std::atomic<int> next{0};
    int end = 0;
  };
  void WorkerLoop(size_t thread);
  void Take(size_t thread, const FunctionRef<void(int)>& task);

  std::vector<std::thread> workers_;
  std::atomic<uint64_t> job_{0};  // number of the newest job, published after task_ and shares_
  const FunctionRef<void(int)>* task_ = nullptr;
  std::vector<Share> shares_;
  std::atomic<int> active_{0};  // workers that are still in the current job
  std::atomic<bool> stop_{false};
  std::mutex mutex_;  // for sleeping only
  std::condition_variable wake_;
  std::atomic<int> sleeping_{0};
};

// Returns CPUs for `threads` threads of this process. The machine runs `processes` such processes, and this
// is number `index`. The CPUs are among those that this process may use. Returns an empty list if there are
// not enough CPUs for all processes.
std::vector<int> CpusToPin(int index, int processes, int threads);

}  // namespace exeunt::cpu
