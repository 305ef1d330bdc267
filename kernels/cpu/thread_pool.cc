#include "kernels/cpu/thread_pool.h"

#include <algorithm>

#include "base/check.h"

namespace exeunt::cpu {
namespace {

constexpr int kSpins = 2000;  // some tens of microseconds: as long as a barrier between two kernels takes

void Pause() { __builtin_ia32_pause(); }

}  // namespace

ThreadPool::ThreadPool(int threads) {
  CHECK_GE(threads, 1);
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { WorkerLoop(); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    job_.fetch_add(1);
  }
  wake_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::Take(const std::function<void(int)>& task, int n) {
  for (int i = next_.fetch_add(1); i < n; i = next_.fetch_add(1)) task(i);
}

void ThreadPool::Run(int n, const std::function<void(int)>& task) {
  if (workers_.empty() || n <= 1) {
    for (int i = 0; i < n; ++i) task(i);
    return;
  }
  {
    std::lock_guard lock(mutex_);
    task_ = &task;
    n_ = n;
    next_.store(0);
    active_.store(static_cast<int>(workers_.size()));
    job_.fetch_add(1);
  }
  wake_.notify_all();
  Take(task, n);
  while (active_.load() != 0) std::this_thread::yield();
}

void ThreadPool::RunRanges(int n, int grain, const std::function<void(int, int)>& task) {
  const int pieces = std::clamp(n / std::max(grain, 1), 1, workers_.empty() ? 1 : 2 * threads());
  Run(pieces, [&](int i) {
    const auto at = [&](int piece) { return static_cast<int>(static_cast<int64_t>(n) * piece / pieces); };
    task(at(i), at(i + 1));
  });
}

void ThreadPool::WorkerLoop() {
  uint64_t seen = 0;
  for (;;) {
    for (int spin = 0; spin < kSpins && job_.load() == seen; ++spin) Pause();
    if (job_.load() == seen) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return job_.load() != seen; });
    }
    const std::function<void(int)>* task = nullptr;
    int n = 0;
    {
      std::lock_guard lock(mutex_);
      if (stop_) return;
      seen = job_.load();
      task = task_;
      n = n_;
    }
    Take(*task, n);
    active_.fetch_sub(1);
  }
}

}  // namespace exeunt::cpu
