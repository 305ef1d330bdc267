// WorkerProcess is one rank of a pipeline. It takes its plan from the coordinator and loads its stage. It
// then runs turns of the stage, which compute, move frames and report. It blocks on the control channel if
// nothing is in flight here. It runs on the main thread. The control channel has its own I/O thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "backend/cpu/cpu_backend.h"
#include "base/result.h"
#include "kernels/cpu/thread_pool.h"
#include "transport/control_channel.h"
#include "transport/data_channel.h"
#include "worker/core/stage_runner.h"

namespace exeunt::worker {

// Counters for heartbeats, shared with the control channel's I/O thread.
struct WorkerProgress {
  std::atomic<uint64_t> steps{0};  // number that grows with each computed layer and each turn with work
  std::atomic<bool> busy{false};
};

struct WorkerIdentity {
  int rank = 0;
  int ranks = 1;
  uint64_t epoch = 0;
  int local_rank = 0;  // rank among the ranks of this pipeline on this machine
  int local_ranks = 1;
};

class WorkerProcess {
 public:
  // All arguments must outlive the process object.
  WorkerProcess(const WorkerIdentity& identity, transport::ControlChannel* control,
                transport::DataChannel* data, WorkerProgress* progress);
  ~WorkerProcess();

  // Serves until the coordinator sends Shutdown, which is success. It fails if the link to the coordinator is
  // lost, the plan cannot be carried out or a peer breaks the protocol. A failure is sent to the coordinator
  // if the link still works.
  Status Run();

 private:
  Status AwaitPlan();
  Status Load(const proto::Plan& plan);
  Status Serve();
  void TakeMessages(std::vector<StageEvent>* events);
  void TakeAdmissions(const proto::Admit& admit, std::vector<StageEvent>* events);
  void Refuse(uint64_t sequence, const Error& why);
  void SendOutputs(const StageOutputs& out);
  void SendReport();
  void WaitForWork(bool worked);
  bool MayBlock() const;

  WorkerIdentity identity_;
  std::shared_ptr<const Backend> backend_ = MakeCpuBackend();
  transport::ControlChannel* control_;
  transport::DataChannel* data_;
  WorkerProgress* progress_;
  SequenceLimits limits_;
  std::unique_ptr<ExitPolicy> policy_;
  std::unique_ptr<StageRunner> runner_;
  uint64_t doorbell_ = 0;  // sequences that this pipeline admitted in this epoch and did not refuse
  bool shutdown_ = false;
  TimePoint last_report_;
  bool report_due_ = true;  // whether something happened since the last report
  int quiet_turns_ = 0;
  double busy_seconds_ = 0;
  double idle_seconds_ = 0;
  double bubble_seconds_ = 0;  // part of idle_seconds_ in which sequences were open here
  double blocked_seconds_ = 0;
};

}  // namespace exeunt::worker
