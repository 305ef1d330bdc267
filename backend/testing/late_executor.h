// LateExecutor wraps another executor and reports its jobs and copies as done late, as those of a device are.
// It takes two jobs at once. It reports a job as done only after it has been asked a seeded number of times.
#pragma once

#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "backend/executor.h"
#include "base/fifo.h"

namespace exeunt {

class LateExecutor : public Executor {
 public:
  LateExecutor(std::unique_ptr<Executor> inner, uint64_t seed)
      : Executor(/*depth=*/2, inner->state_bytes()), inner_(std::move(inner)), rng_(seed) {}

  void Submit(Job job) override { inner_->Submit(std::move(job)); }
  void Poll(std::vector<JobDone>* done) override {
    std::vector<JobDone> computed;
    inner_->Poll(&computed);
    for (JobDone& job : computed) late_.push_back({std::move(job), Asks()});
    while (!late_.empty() && late_.front().asks-- <= 0) done->push_back(late_.Take().job);
  }
  Status Reserve(int slots) override { return inner_->Reserve(slots); }
  void Gather(const std::vector<int32_t>& slots, transport::StatePayload* payload) override {
    inner_->Gather(slots, static_cast<Payload*>(payload)->inner.get());
    static_cast<Payload*>(payload)->asks = Asks();
  }
  void Scatter(const std::vector<int32_t>& slots, transport::StatePayload* payload) override {
    inner_->Scatter(slots, static_cast<Payload*>(payload)->inner.get());
    static_cast<Payload*>(payload)->asks = Asks();
  }
  transport::PayloadPool* payloads() override { return &payloads_; }
  void Forget(uint64_t sequence) override { inner_->Forget(sequence); }

 private:
  struct Late {
    JobDone job;
    int asks = 0;
  };
  struct Payload : transport::StatePayload {
    explicit Payload(std::unique_ptr<transport::StatePayload> of) : inner(std::move(of)) {}
    transport::MemoryKind memory() const override { return inner->memory(); }
    void Resize(size_t bytes) override { inner->Resize(bytes); }
    std::byte* data() override { return inner->data(); }
    size_t size() const override { return inner->size(); }
    bool Ready() override { return asks-- <= 0 && inner->Ready(); }

    std::unique_ptr<transport::StatePayload> inner;
    int asks = 0;
  };
  class Pool : public transport::PayloadPool {
   public:
    explicit Pool(Executor* inner) : inner_(inner) {}

   protected:
    std::unique_ptr<transport::StatePayload> Make() override {
      return std::make_unique<Payload>(inner_->payloads()->Take(0));
    }

   private:
    Executor* inner_;
  };

  int Asks() { return static_cast<int>(rng_() % 4); }

  std::unique_ptr<Executor> inner_;
  Pool payloads_{inner_.get()};
  std::mt19937_64 rng_;
  Fifo<Late> late_;
};

}  // namespace exeunt
