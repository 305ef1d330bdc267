// A Backend builds the executors of one kind of device and describes itself. Thread-safe where const.
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
  std::string device;  // compute device: the instruction set of a CPU
  int page_tokens = 0;
  std::string state_type;  // type of hidden states in frames, such as "f32"
  bool bit_exact = false;  // whether results are independent of batch, split and machine
};

// The inputs from which a stage's executor is built.
struct StageBuild {
  std::shared_ptr<const ModelSource> source;
  LayerSpan layers;
  std::vector<int> exit_layers;  // exit layers of the whole pipeline
  std::string exits_directory;   // "" for none
  int kv_pages = 0;
  int max_slots = 0;  // limit of hidden states at once; 0: as many as memory has room for
  int threads = 1;
  std::vector<int> cpus;                   // CPUs for pinning the threads, or empty
  std::function<void()> progress = [] {};  // called between layers of a running job
  std::function<void(float)> load_progress = [](float) {};
};

// The cost of a stage's weights for its kernels, for the head and as a mean per layer. Bytes are what one
// pass reads. MACs are the multiply-accumulates of one row.
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
  size_t weight_bytes = 0;  // resident bytes
  size_t head_bytes = 0;    // bytes of the vocabulary head among them
  StageWork work;
  std::function<OpSeconds()>
      op_seconds;  // seconds of all jobs so far by operation; valid during the life of the executor
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual const BackendInfo& info() const = 0;
  // Loads the stage's weights and maps its K/V cache. The error names the file and the tensor, or the memory
  // that is missing.
  virtual Result<StageExecutor> Build(const StageBuild& build) const = 0;
  // Returns the bytes of one K/V page over `n_layers` layers.
  virtual size_t PageBytes(const ModelConfig& config, int n_layers) const = 0;
};

// Returns whether tokens may leave at this stage. They may if it is the last stage or contains an exit.
bool StageHasHead(LayerSpan layers, const std::vector<int>& exit_layers, int n_layers);

}  // namespace exeunt
