// Computes the figures of a benchmark from the records of its ranks. Pure.
#pragma once

#include <boost/json.hpp>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "tools/bench/bench_workload.h"
#include "worker/core/step_trace.h"
#include "worker/process/local_pipeline.h"

namespace exeunt::tools {

// A token that left at a rank. Times are nanoseconds of rank 0's clock.
struct BenchToken {
  uint64_t sequence = 0;
  int32_t position = 0;
  int32_t exit_layer = 0;
  int64_t time_ns = 0;
};

// One rank's record of a run. All ranks measured their peaks at the same time.
struct BenchRank {
  StageWork work;
  double read_bandwidth = 0;  // bytes / s
  double int_dot_peak = 0;    // multiply-accumulates / s
  std::vector<BenchToken> tokens;
  std::vector<worker::StepSpan> spans;
};

struct BenchStageFigures {
  double busy = 0;        // share of the window in which it computed
  double read_share = 0;  // bytes of weights read, over what it could have read while busy
  double dot_share = 0;   // multiply-accumulates, over what it could have computed while busy
  double rows_per_step = 0;
};

struct BenchFigures {
  double tokens_per_second = 0;  // tokens read (prefill) or generated (decode) within the window
  double window_seconds = 0;     // decode: from the last first token to the first last token of any stream
  double ttft_p50_ms = 0;
  double ttft_p99_ms = 0;
  double inter_token_p50_ms = 0;
  double inter_token_p99_ms = 0;
  double mean_layers = 0;
  std::map<int, double> exits;  // share of the tokens by the layers that they ran
  std::vector<BenchStageFigures> stages;
};

// `begin_ns` is the time of admission of the requests.
BenchFigures ComputeFigures(const BenchWorkload& workload, int64_t begin_ns,
                            const std::vector<BenchRank>& ranks);

// Returns an error that names the workload if the window is too short for a rate.
Status RequireWindow(const BenchWorkload& workload, const BenchFigures& figures);

// Returns a line of rates and one line per stage.
std::string FiguresText(const std::string& workload, const BenchFigures& figures,
                        const std::vector<LayerSpan>& split);

boost::json::object ToJson(const BenchWorkload& workload, const BenchFigures& figures);

// Returns Chrome's trace event format, which Perfetto also reads. A process is a stage, a slice is a job.
boost::json::array ChromeTrace(const std::vector<BenchRank>& ranks);

}  // namespace exeunt::tools
