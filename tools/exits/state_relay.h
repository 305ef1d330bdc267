// StateRelay is a StateReader for a model whose layers are spread over the ranks of a data channel. Answers
// go from rank to rank, several at once. Each rank sends the requested states of its own layers to rank 0,
// which hands them out in order. They are bit-identical to those of one process. One thread drives a rank.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "backend/cpu/state_reader.h"
#include "transport/data_channel.h"

namespace exeunt::tools {

class StateRelay {
 public:
  struct Request {
    std::span<const int32_t> ids;  // must outlive the run
    int first = 0;                 // first of the requested rows [first, ids.size())
  };
  using States = std::map<int, std::vector<float>>;  // by depth, [ids.size() - first, d_model]

  // Both arguments must outlive the relay. `reader` has this rank's layers.
  StateRelay(StateReader* reader, transport::DataChannel* channel, int rank, int ranks);

  // On rank 0, runs the requests and visits each with its states after `depths` (ascending in [0, n_layers],
  // at least one). Fails if a rank sends a wrong message, or nothing for ten minutes.
  Status Run(size_t count, const std::function<Request(size_t)>& request, std::span<const int> depths,
             const std::function<void(size_t, const States&)>& visit);
  // On rank 0, ends the other ranks. Waits until the next rank has been told.
  void End();
  // On other ranks, serves until rank 0's End. Fails if the rank before sends a wrong message.
  Status Serve();

 private:
  struct Pending {
    int rows = 0;  // number of requested rows
    States at;
    size_t missing = 0;  // floats that other ranks have yet to send
  };
  struct FrameHeader {
    uint64_t request = 0;
    int32_t rows = 0;  // 0 for the end
    int32_t first = 0;
    int32_t depths = 0;  // number of int32 that follow
  };
  struct StatesHeader {
    uint64_t request = 0;
    int32_t depth = 0;
    int32_t row = 0;  // first of the requested rows in the message
  };

  void Send(uint64_t number, const Request& request, std::span<const int> depths);
  void PassOn(const FrameHeader& header, std::span<const int> depths,
              std::unique_ptr<transport::StatePayload> states);
  Status ServeFrame(transport::DataMessage message, bool* end);
  void SendStates(uint64_t number, int depth, const float* states, int rows);
  Status Take(const transport::DataMessage& message, uint64_t first_pending);
  bool last() const { return rank_ + 1 == ranks_; }
  size_t row_bytes() const { return static_cast<size_t>(reader_->config().d_model) * sizeof(float); }

  StateReader* reader_;
  transport::DataChannel* channel_;
  transport::HostPayloadPool payloads_;
  int rank_;
  int ranks_;
  std::deque<Pending> pending_;
};

}  // namespace exeunt::tools
