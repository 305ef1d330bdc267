// OracleExecutor: an executor that computes nothing. Jobs take what a cost function says, on the caller's clock. What comes
// out of them is a seeded oracle's: states and K/V are digests of everything that a real one would depend on, so a token
// depends on exactly the rows, layers and positions that it would depend on in a model. A row that attends to a position
// without K/V fails its job. For the simulator, and for tests of faults and of time.
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
  // Tokens are in [0, vocab_size). 0: every token is 0, and no states are kept, for simulations of time alone.
  int vocab_size = 0;
  uint64_t seed = 1;
  int depth = 1;
  int max_slots = std::numeric_limits<int>::max();
  std::function<TimePoint()> now = MonotonicNow;
  std::function<Duration(const Job&)> cost = [](const Job&) { return Duration{0}; };
  Duration copy{0};  // until a payload is ready
  // Jobs behind which an exit gives the token of every row, whatever its measure.
  std::function<bool(const SegmentJob&)> gives_tokens = [](const SegmentJob&) { return false; };
  // What fails a job, asked when it is submitted; an error becomes its status.
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

  // When the next job is done; none where no job is in flight.
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
  // The K/V of a position in a layer; 0: there is none.
  uint64_t& Kv(const LayerRow& row, int32_t position, int layer);
  Result<uint64_t> Attend(const LayerRow& row, int layer, uint64_t state);
  int32_t TokenOf(uint64_t state, int layer) const;
  bool keeps_states() const { return options_.vocab_size > 0; }

  OracleOptions options_;
  Pool payloads_{&options_};
  Fifo<Running> running_;
  std::vector<uint64_t> states_;  // by slot
  int reserved_ = 0;
  std::unordered_map<int64_t, std::vector<uint64_t>> kv_;  // by page and place in it: of each layer
};

}  // namespace exeunt
