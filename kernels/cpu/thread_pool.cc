#include "kernels/cpu/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>

#include "base/check.h"

namespace exeunt::cpu {
namespace {

// Some tens of microseconds, as long as a barrier between two kernels takes.
constexpr int kSpins = 4000;
// After these spins the thread yields its core to threads that others wait for.
constexpr int kSpinsBeforeYield = 1000;
constexpr int kPiecesPerThread = 4;

void Pause() { __builtin_ia32_pause(); }

void Pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);  // advice only: without it threads migrate
}

}  // namespace

ThreadPool::ThreadPool(int threads, const std::vector<int>& cpus)
    : shares_(static_cast<size_t>(std::max(threads, 1))) {
  CHECK_GE(threads, 1);
  const bool pinned = cpus.size() == static_cast<size_t>(threads);
  if (pinned) Pin(cpus[0]);
  for (int i = 1; i < threads; ++i) {
    const auto thread = static_cast<size_t>(i);
    workers_.emplace_back([this, thread, cpu = pinned ? cpus[thread] : -1] {
      if (cpu >= 0) Pin(cpu);
      WorkerLoop(thread);
    });
  }
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stop_.store(true);
    job_.fetch_add(1);
  }
  wake_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::Take(size_t thread, const FunctionRef<void(int)>& task) {
  for (size_t i = 0; i < shares_.size(); ++i) {
    Share& share = shares_[(thread + i) % shares_.size()];
    for (int at = share.next.fetch_add(1); at < share.end; at = share.next.fetch_add(1)) task(at);
  }
}

void ThreadPool::Run(int n, FunctionRef<void(int)> task) {
  if (workers_.empty() || n <= 1) {
    for (int i = 0; i < n; ++i) task(i);
    return;
  }
  // No worker is in an older job, because the last Run waited for all of them.
  task_ = &task;
  for (size_t i = 0; i < shares_.size(); ++i) {
    const auto at = [&](size_t thread) {
      return static_cast<int>(static_cast<size_t>(n) * thread / shares_.size());
    };
    shares_[i].next.store(at(i));
    shares_[i].end = at(i + 1);
  }
  active_.store(static_cast<int>(workers_.size()));
  job_.fetch_add(1);
  if (sleeping_.load() > 0) {
    { std::lock_guard lock(mutex_); }  // after this, a worker that saw no job is in wait()
    wake_.notify_all();
  }
  Take(0, task);
  for (int spin = 0; active_.load() != 0; ++spin) {
    if (spin < kSpinsBeforeYield) {
      Pause();
    } else {
      std::this_thread::yield();
    }
  }
}

void ThreadPool::RunRanges(int n, int grain, FunctionRef<void(int, int)> task) {
  const int pieces =
      std::clamp(n / std::max(grain, 1), 1, workers_.empty() ? 1 : kPiecesPerThread * threads());
  Run(pieces, [&](int i) {
    const auto at = [&](int piece) { return static_cast<int>(static_cast<int64_t>(n) * piece / pieces); };
    task(at(i), at(i + 1));
  });
}

void ThreadPool::WorkerLoop(size_t thread) {
  for (uint64_t seen = 0;;) {
    for (int spin = 0; spin < kSpins && job_.load() == seen; ++spin) Pause();
    if (job_.load() == seen) {
      std::unique_lock lock(mutex_);
      sleeping_.fetch_add(1);
      wake_.wait(lock, [&] { return job_.load() != seen; });
      sleeping_.fetch_sub(1);
    }
    if (stop_.load()) return;
    ++seen;  // no job was missed, because Run waits for this worker
    Take(thread, *task_);
    active_.fetch_sub(1);
  }
}

std::vector<int> CpusToPin(int index, int processes, int threads) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) < processes * threads) return {};
  std::vector<int> cpus;
  for (int cpu = 0, seen = 0; cpu < CPU_SETSIZE && static_cast<int>(cpus.size()) < threads; ++cpu) {
    if (!CPU_ISSET(cpu, &set)) continue;
    if (seen >= index * threads) cpus.push_back(cpu);
    ++seen;
  }
  return cpus;
}

}  // namespace exeunt::cpu
