// WorkerProcess: one rank of a pipeline. Takes its plan from the coordinator, loads its stage, then turns the
// stage's crank: computes, moves frames, reports. Blocks on the control channel when nothing is in flight
// here. Runs on the main thread; the control channel has its own I/O thread.
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

// Shared with the control channel's I/O thread, for heartbeats.
struct WorkerProgress {
  std::atomic<uint64_t> steps{0};  // advances per layer computed and per turn with work
  std::atomic<bool> busy{false};
};

struct WorkerIdentity {
  int rank = 0;
  int ranks = 1;
  uint64_t epoch = 0;
  int local_rank = 0;  // among the ranks of this pipeline on this machine
  int local_ranks = 1;
};

class WorkerProcess {
 public:
  // All outlive the process object.
  WorkerProcess(const WorkerIdentity& identity, transport::ControlChannel* control,
                transport::DataChannel* data, WorkerProgress* progress);
  ~WorkerProcess();

  // Serves until the coordinator says Shutdown (ok) or something fails: the link to it is lost, the plan
  // cannot be carried out, a peer broke the protocol. A failure has been sent to the coordinator where it
  // still listens.
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
  bool report_due_ = true;  // something happened since the last report
  int quiet_turns_ = 0;
  double busy_seconds_ = 0;
  double idle_seconds_ = 0;
  double bubble_seconds_ = 0;  // of the idle ones: sequences were open here
  double blocked_seconds_ = 0;
};

}  // namespace exeunt::worker
