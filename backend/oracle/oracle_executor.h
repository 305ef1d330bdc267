// OracleExecutor is an executor that computes nothing. Jobs take the time of a cost function, on the caller's
// clock. Their results come from a seeded oracle. States and K/V are digests of everything on which a real
// executor's would depend. A token therefore depends on exactly the rows, layers and positions on which it
// would depend in a model. A row that attends to a position without K/V fails its job. It serves the
// simulator and tests of faults and of time.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <unordered_map>
#include <vector>

#include "backend/executor.h"
#include "base/clock.h"
#include "base/fifo.h"

namespace exeunt {

struct OracleOptions {
  int n_layers = 0;
  // Tokens are in [0, vocab_size). With 0 every token is 0 and no states are kept, for simulations of time
  // alone.
  int vocab_size = 0;
  uint64_t seed = 1;
  int depth = 1;
  int max_slots = std::numeric_limits<int>::max();
  std::function<TimePoint()> now = MonotonicNow;
  std::function<Duration(const Job&)> cost = [](const Job&) { return Duration{0}; };
  Duration copy{0};  // time until a payload is ready
  // Returns whether an exit after the job gives the token of every row, for any measure.
  std::function<bool(const SegmentJob&)> gives_tokens = [](const SegmentJob&) { return false; };
  // Called when a job is submitted. An error becomes the job's status.
  std::function<Status(const Job&)> fault = [](const Job&) { return OkStatus(); };
};

class OracleExecutor : public Executor {
 public:
  explicit OracleExecutor(OracleOptions options);

  void Submit(Job job) override;
  void Poll(std::vector<JobDone>* done) override;
  Status Reserve(int slots) override;
  void Gather(const std::vector<int32_t>& slots, transport::StatePayload* payload) override;
  void Scatter(const std::vector<int32_t>& slots, transport::StatePayload* payload) override;
  transport::PayloadPool* payloads() override { return &payloads_; }
  void Forget(uint64_t) override {}

  // Returns when the next job is done, or nothing if no job is in flight.
  std::optional<TimePoint> NextDone() const;

 private:
  class Payload;
  class Pool : public transport::PayloadPool {
   public:
    explicit Pool(const OracleOptions* options) : options_(options) {}

   protected:
    std::unique_ptr<transport::StatePayload> Make() override;

   private:
    const OracleOptions* options_;
  };
  struct Running {
    Job job;
    TimePoint end;
    Duration took{0};
  };

  Status Run(Job* job);
  Status RunSegment(SegmentJob* job);
  Status RunHead(HeadJob* job);
  Status CheckSlot(int32_t slot) const;
  // The K/V of a position in a layer, or 0 if there is none.
  uint64_t& Kv(const LayerRow& row, int32_t position, int layer);
  Result<uint64_t> Attend(const LayerRow& row, int layer, uint64_t state);
  int32_t TokenOf(uint64_t state, int layer) const;
  bool keeps_states() const { return options_.vocab_size > 0; }

  OracleOptions options_;
  Pool payloads_{&options_};
  Fifo<Running> running_;
  std::vector<uint64_t> states_;  // by slot
  int reserved_ = 0;
  std::unordered_map<int64_t, std::vector<uint64_t>> kv_;  // by page and place in it: K/V of each layer
};

}  // namespace exeunt
