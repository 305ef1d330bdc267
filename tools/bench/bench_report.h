// From what the ranks of a benchmark recorded to its figures. Pure.
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

// A token that left at a rank. Times are rank 0's clock, in nanoseconds.
struct BenchToken {
  uint64_t sequence = 0;
  int32_t position = 0;
  int32_t exit_layer = 0;
  int64_t time_ns = 0;
};

// One rank's share of a run. Peaks were measured while every rank measured.
struct BenchRank {
  StageWork work;
  double read_bandwidth = 0;  // bytes / s
  double int_dot_peak = 0;    // multiply-accumulates / s
  std::vector<BenchToken> tokens;
  std::vector<worker::StepSpan> spans;
};

struct BenchStageFigures {
  double busy = 0;        // share of the window that it computed in
  double read_share = 0;  // bytes of weights swept, over what it could have read while busy
  double dot_share = 0;   // multiply-accumulates, over what it could have done while busy
  double rows_per_step = 0;
};

struct BenchFigures {
  double tokens_per_second = 0;  // read (prefill) or generated (decode) within the window
  double window_seconds = 0;     // decode: from the last first token to the first last token of any stream
  double ttft_p50_ms = 0;
  double ttft_p99_ms = 0;
  double inter_token_p50_ms = 0;
  double inter_token_p99_ms = 0;
  double mean_layers = 0;
  std::map<int, double> exits;  // share of the tokens, by layers run
  std::vector<BenchStageFigures> stages;
};

// `begin_ns`: when the requests were admitted.
BenchFigures ComputeFigures(const BenchWorkload& workload, int64_t begin_ns,
                            const std::vector<BenchRank>& ranks);

// An error that names the workload where there was no time that a rate could be of.
Status RequireWindow(const BenchWorkload& workload, const BenchFigures& figures);

// A line of rates and one a stage.
std::string FiguresText(const std::string& workload, const BenchFigures& figures,
                        const std::vector<LayerSpan>& split);

boost::json::object ToJson(const BenchWorkload& workload, const BenchFigures& figures);

// Chrome's trace event format (also read by Perfetto): a process a stage, a slice a job.
boost::json::array ChromeTrace(const std::vector<BenchRank>& ranks);

}  // namespace exeunt::tools
