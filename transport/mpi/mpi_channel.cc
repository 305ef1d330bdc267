#include "transport/mpi/mpi_channel.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <list>
#include <string>

#include "base/check.h"
#include "base/error.h"
#include "base/spare.h"
#include "transport/mpi/mpi_check.h"

namespace exeunt::transport {
namespace {

constexpr int kHeaderTag = 1;
constexpr int kPayloadTag = 2;
constexpr int kTokenTag = 3;
constexpr unsigned kFinaliseSeconds = 10;

class MpiChannel : public DataChannel {
 public:
  MpiChannel() {
    EXEUNT_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &comm_));
    EXEUNT_MPI(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN));
    EXEUNT_MPI(MPI_Comm_rank(comm_, &rank_));
    EXEUNT_MPI(MPI_Comm_size(comm_, &ranks_));
  }

  ~MpiChannel() override {
    // Messages that are still under way belong to a pipeline that is over. MPI_Finalize ends them.
    for (Outgoing& out : outgoing_) {
      for (MPI_Request& request : out.requests) {
        if (request != MPI_REQUEST_NULL) MPI_Request_free(&request);
      }
    }
  }

  void SendNext(DataMessage* message) override {
    CHECK_LT(rank_ + 1, ranks_);
    Outgoing& out = Queue(message, true);
    EXEUNT_MPI(MPI_Issend(out.header.data(), static_cast<int>(out.header.size()), MPI_BYTE, rank_ + 1,
                          kHeaderTag, comm_, &out.requests[0]));
    SendPayloads();
  }

  void SendFirst(DataMessage* message) override {
    CHECK_EQ(message->payload_bytes(), size_t{0});
    Outgoing& out = Queue(message, false);
    EXEUNT_MPI(MPI_Isend(out.header.data(), static_cast<int>(out.header.size()), MPI_BYTE, 0, kTokenTag,
                         comm_, &out.requests[0]));
  }

  int TakenByNext() override {
    Progress();
    return std::exchange(taken_, 0);
  }

  Result<bool> Receive(bool accept_frames, PayloadPool* pool, DataMessage* message) override {
    if (rank_ == 0) {
      ASSIGN_OR_RETURN(const bool token, TakeHeader(MPI_ANY_SOURCE, kTokenTag, pool, message));
      return token;
    }
    if (!receiving_) {
      if (!accept_frames) return false;
      ASSIGN_OR_RETURN(const bool frame, TakeHeader(rank_ - 1, kHeaderTag, pool, &incoming_));
      if (!frame) return false;
      receiving_ = true;
      if (incoming_.payload != nullptr) {
        EXEUNT_MPI(MPI_Irecv(incoming_.payload->data(), static_cast<int>(incoming_.payload->size()), MPI_BYTE,
                             rank_ - 1, kPayloadTag, comm_, &payload_request_));
      }
    }
    int done = 1;
    if (payload_request_ != MPI_REQUEST_NULL)
      EXEUNT_MPI(MPI_Test(&payload_request_, &done, MPI_STATUS_IGNORE));
    if (done == 0) return false;
    receiving_ = false;
    pool->GiveBack(std::move(message->payload));
    *message = std::exchange(incoming_, {});
    return true;
  }

  void Progress() override {
    SendPayloads();
    for (auto out = outgoing_.begin(); out != outgoing_.end();) {
      int done = 0;
      if (out->payload_waits) {
        ++out;
        continue;
      }
      EXEUNT_MPI(MPI_Testall(2, out->requests, &done, MPI_STATUSES_IGNORE));
      if (done == 0) {
        ++out;
        continue;
      }
      taken_ += out->is_frame ? 1 : 0;
      if (out->payload != nullptr) spare_payloads_.push_back(std::move(out->payload));
      out = outgoing_.erase(out);
    }
    if (outgoing_.empty()) {  // receives advance only inside MPI calls
      int flag = 0;
      EXEUNT_MPI(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm_, &flag, MPI_STATUS_IGNORE));
    }
  }

  bool Idle() const override { return outgoing_.empty() && !receiving_; }

 private:
  struct Outgoing {
    std::vector<std::byte> header;
    std::unique_ptr<StatePayload> payload;
    bool payload_waits = false;  // whether its payload or an earlier one is not complete
    MPI_Request requests[2] = {MPI_REQUEST_NULL, MPI_REQUEST_NULL};
    bool is_frame = false;
  };

  // The buffers must not move until the requests are complete.
  Outgoing& Queue(DataMessage* message, bool is_frame) {
    CHECK_LE(message->header.size(), kMaxHeaderBytes);
    CHECK_LE(message->payload_bytes(), kMaxPayloadBytes);
    Outgoing& out = outgoing_.emplace_back();
    const uint64_t payload_bytes = message->payload_bytes();
    out.header.resize(sizeof payload_bytes + message->header.size());
    std::memcpy(out.header.data(), &payload_bytes, sizeof payload_bytes);
    std::memcpy(out.header.data() + sizeof payload_bytes, message->header.data(), message->header.size());
    out.payload = std::exchange(message->payload, TakeSpare(&spare_payloads_));
    out.payload_waits = payload_bytes > 0;
    out.is_frame = is_frame;
    return out;
  }

  // Payloads leave in the order of their headers, each when it is complete.
  void SendPayloads() {
    for (Outgoing& out : outgoing_) {
      if (!out.payload_waits) continue;
      if (!out.payload->Ready()) return;
      EXEUNT_MPI(MPI_Isend(out.payload->data(), static_cast<int>(out.payload->size()), MPI_BYTE, rank_ + 1,
                           kPayloadTag, comm_, &out.requests[1]));
      out.payload_waits = false;
    }
  }

  // Receives a header message if one has arrived. Takes memory for the payload that it announces.
  Result<bool> TakeHeader(int source, int tag, PayloadPool* pool, DataMessage* message) {
    int flag = 0;
    MPI_Message handle = MPI_MESSAGE_NULL;
    MPI_Status status;
    EXEUNT_MPI(MPI_Improbe(source, tag, comm_, &flag, &handle, &status));
    if (flag == 0) return false;
    int bytes = 0;
    EXEUNT_MPI(MPI_Get_count(&status, MPI_BYTE, &bytes));
    uint64_t payload_bytes = 0;
    if (bytes < static_cast<int>(sizeof payload_bytes) || static_cast<size_t>(bytes) > kMaxHeaderBytes) {
      return DataLoss("header of {} bytes from rank {} is outside [{}, {}]", bytes, status.MPI_SOURCE,
                      sizeof payload_bytes, kMaxHeaderBytes);
    }
    std::vector<std::byte> wire(static_cast<size_t>(bytes));
    EXEUNT_MPI(MPI_Mrecv(wire.data(), bytes, MPI_BYTE, &handle, MPI_STATUS_IGNORE));
    std::memcpy(&payload_bytes, wire.data(), sizeof payload_bytes);
    if (payload_bytes > (tag == kTokenTag ? 0 : kMaxPayloadBytes)) {
      return DataLoss("payload of {} bytes from rank {} is over the limit of {}", payload_bytes,
                      status.MPI_SOURCE, kMaxPayloadBytes);
    }
    message->header.assign(wire.begin() + sizeof payload_bytes, wire.end());
    pool->GiveBack(std::exchange(message->payload, nullptr));
    if (payload_bytes > 0) message->payload = pool->Take(payload_bytes);
    return true;
  }

  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0;
  int ranks_ = 1;
  std::list<Outgoing> outgoing_;
  std::vector<std::unique_ptr<StatePayload>> spare_payloads_;  // payloads that were sent
  int taken_ = 0;
  DataMessage incoming_;  // a received header whose payload is under way
  bool receiving_ = false;
  MPI_Request payload_request_ = MPI_REQUEST_NULL;
};

}  // namespace

MpiSession::MpiSession(int* argc, char*** argv) {
  int provided = 0;
  EXEUNT_MPI(MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided));
  CHECK_GE(provided, MPI_THREAD_FUNNELED);
  EXEUNT_MPI(MPI_Comm_rank(MPI_COMM_WORLD, &rank_));
  EXEUNT_MPI(MPI_Comm_size(MPI_COMM_WORLD, &ranks_));
}

MpiSession::~MpiSession() {
  alarm(kFinaliseSeconds);  // SIGALRM ends the process if another rank never comes
  MPI_Finalize();
  alarm(0);
}

std::unique_ptr<DataChannel> MakeMpiChannel() { return std::make_unique<MpiChannel>(); }

}  // namespace exeunt::transport
