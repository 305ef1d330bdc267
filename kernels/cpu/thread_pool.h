// ThreadPool: runs one function over task numbers on a fixed set of threads, the caller's among them. Workers
// spin briefly for the next job, then sleep. Which thread runs which task is not fixed: tasks must be
// independent. Each thread has a contiguous share of the numbers and helps others when it is done with it, so
// that a thread reads memory in long runs, and the same memory job after job. Run is called from one thread
// at a time; it returns when every task has ended, and allocates nothing. Tasks must not throw.
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
  // `threads` compute in all, the caller's included; at least 1. Where `cpus` names as many CPUs, thread i is
  // pinned to cpus[i], the calling thread (0) too.
  explicit ThreadPool(int threads, const std::vector<int>& cpus = {});
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }
  // task(i) for every i in [0, n).
  void Run(int n, FunctionRef<void(int)> task);
  // task(begin, end) over [0, n) in pieces of at least `grain`, a few a thread.
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
  std::atomic<uint64_t> job_{0};  // number of the newest job; published after task_ and shares_
  const FunctionRef<void(int)>* task_ = nullptr;
  std::vector<Share> shares_;
  std::atomic<int> active_{0};  // workers that have not left the current job
  std::atomic<bool> stop_{false};
  std::mutex mutex_;  // for sleeping only
  std::condition_variable wake_;
  std::atomic<int> sleeping_{0};
};

// CPUs for `threads` threads of each of `processes` processes on this machine, of which this one is number
// `index`: as many of the CPUs that this process may use; empty where there are not enough for all of them.
std::vector<int> CpusToPin(int index, int processes, int threads);

}  // namespace exeunt::cpu
