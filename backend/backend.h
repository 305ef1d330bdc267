// Backend: what builds the executors of one kind of device, and what it says of itself. Thread-safe where
// const.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/executor.h"
#include "base/result.h"
#include "model/config.h"
#include "model/layer_span.h"
#include "model/model_source.h"

namespace exeunt {

struct BackendInfo {
  std::string name;    // "cpu"
  std::string device;  // what it computes with: the instruction set of a CPU
  int page_tokens = 0;
  std::string state_type;  // of hidden states on the wire: "f32"
  bool bit_exact = false;  // results do not depend on the batch, the split or the machine
};

// What a stage computes, and with what.
struct StageBuild {
  std::shared_ptr<const ModelSource> source;
  LayerSpan layers;
  std::vector<int> exit_layers;  // of the whole pipeline
  std::string exits_directory;   // "": none
  int kv_pages = 0;
  int max_slots = 0;  // hidden states at once; 0: as many as memory has room for
  int threads = 1;
  std::vector<int> cpus;                   // to pin the threads to, or empty
  std::function<void()> progress = [] {};  // between layers, while running
  std::function<void(float)> load_progress = [](float) {};
};

// What a stage's weights are to its kernels, per layer (their mean) and for the head: bytes that one pass
// reads, and multiply-accumulates of one row.
struct StageWork {
  double layer_bytes = 0;
  double fill_bytes = 0;  // K and V only
  double head_bytes = 0;
  double layer_macs = 0;
  double fill_macs = 0;
  double head_macs = 0;
};

using OpSeconds = std::vector<std::pair<const char*, double>>;

struct StageExecutor {
  std::unique_ptr<Executor> executor;
  size_t weight_bytes = 0;  // resident
  size_t head_bytes = 0;    // of them, the vocabulary head
  StageWork work;
  std::function<OpSeconds()>
      op_seconds;  // where the time of all jobs so far went; valid while the executor is
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual const BackendInfo& info() const = 0;
  // Loads the stage's weights and maps its K/V cache. The error names the file and the tensor, or the memory
  // that is not there.
  virtual Result<StageExecutor> Build(const StageBuild& build) const = 0;
  // Bytes of one K/V page over `n_layers` layers.
  virtual size_t PageBytes(const ModelConfig& config, int n_layers) const = 0;
};

// Whether tokens may leave at this stage: it is the last, or an exit lies in it.
bool StageHasHead(LayerSpan layers, const std::vector<int>& exit_layers, int n_layers);

}  // namespace exeunt
