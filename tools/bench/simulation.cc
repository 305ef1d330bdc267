#include "tools/bench/simulation.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "backend/oracle/oracle_executor.h"
#include "base/check.h"
#include "kernels/kv_layout.h"
#include "tools/bench/virtual_network.h"
#include "worker/core/stage_runner.h"

namespace exeunt::tools {
namespace {

constexpr int32_t kToken = 0;
constexpr int kKvPages = 1 << 20;
constexpr int kMostRows = 32;         // most rows of a step to balance for; more cost in proportion
constexpr int kPlanTokens = 2048;     // tokens of all streams of a plan's simulation
constexpr int kLeastTokens = 8;       // least tokens of a stream
constexpr double kLeastGain = 0.002;  // least gain over another split; less is chance

class SimulatedPipeline {
 public:
  SimulatedPipeline(const Simulation& simulation, const std::vector<worker::SequenceSpec>& requests);
  std::vector<BenchRank> Run(const std::vector<worker::SequenceSpec>& requests);

 private:
  struct Node {
    OracleExecutor* executor = nullptr;  // executor of the runner
    std::unique_ptr<worker::StageRunner> runner;
    worker::StepTrace trace;
    TimePoint last_turn;
    BenchRank record;
  };

  std::optional<TimePoint> NextTurn(int rank) const;
  void Turn(int rank, std::vector<worker::StageEvent> events);
  bool LooksAtExit(const SegmentJob& job) const;
  Duration Cost(const Job& job) const;

  const Simulation& simulation_;
  CalmExitPolicy policy_;
  TimePoint now_;
  VirtualNetwork network_;
  std::deque<Node> nodes_;
};

SimulatedPipeline::SimulatedPipeline(const Simulation& simulation,
                                     const std::vector<worker::SequenceSpec>& requests)
    : simulation_(simulation),
      network_(static_cast<int>(simulation.split.size()), simulation.link_delay, &now_) {
  int positions = 0;
  for (const worker::SequenceSpec& spec : requests) positions = std::max(positions, spec.positions());
  const int ranks = static_cast<int>(simulation.split.size());
  for (int rank = 0; rank < ranks; ++rank) {
    worker::StageConfig config;
    config.rank = rank;
    config.split = simulation.split;
    config.limits = {{positions, kToken + 1, simulation.n_layers}, kPageTokens};
    config.exit_layers = simulation.exit_layers;
    config.kv_pages = kKvPages;
    config.prefill_chunk_tokens = simulation.prefill_chunk_tokens;
    config.prefill_first = true;  // as in bench
    auto executor = std::make_unique<OracleExecutor>(
        OracleOptions{.n_layers = simulation.n_layers,
                      .now = [this] { return now_; },
                      .cost = [this](const Job& job) { return Cost(job); },
                      .gives_tokens = [this](const SegmentJob& job) { return LooksAtExit(job); }});
    Node& node = nodes_.emplace_back();
    node.executor = executor.get();
    node.runner = std::make_unique<worker::StageRunner>(config, &policy_, std::move(executor),
                                                        network_.channel(rank), [this] { return now_; });
    node.runner->set_trace(&node.trace);
  }
}

// Returns when the stage has something to do. Like a stage on a CPU, it looks at its links only between jobs.
std::optional<TimePoint> SimulatedPipeline::NextTurn(int rank) const {
  const Node& node = nodes_[static_cast<size_t>(rank)];
  if (const auto done = node.executor->NextDone()) return done;
  const worker::Stage& stage = node.runner->stage();
  std::optional<TimePoint> next = stage.NextWake();
  if (next && *next <= node.last_turn) next.reset();  // it was due then, and must wait for another event
  const auto arrival = network_.NextArrival(rank, stage.AcceptsFrames());
  if (arrival && (!next || *arrival < *next)) next = arrival;
  return next;
}

std::vector<BenchRank> SimulatedPipeline::Run(const std::vector<worker::SequenceSpec>& requests) {
  const int ranks = static_cast<int>(nodes_.size());
  Turn(0, {worker::AdmitSequences{requests}});
  for (;;) {
    std::optional<TimePoint> when;
    int who = 0;
    for (int rank = 0; rank < ranks; ++rank) {
      const auto next = NextTurn(rank);
      if (next && (!when || *next < *when)) {
        when = next;
        who = rank;
      }
    }
    if (!when) break;
    now_ = std::max(now_, *when);
    Turn(who, {});
  }
  std::vector<BenchRank> records;
  for (Node& node : nodes_) {
    CHECK(node.runner->Idle());
    node.record.spans = node.trace.spans();
    records.push_back(std::move(node.record));
  }
  return records;
}

void SimulatedPipeline::Turn(int rank, std::vector<worker::StageEvent> events) {
  Node& node = nodes_[static_cast<size_t>(rank)];
  node.last_turn = now_;
  worker::StageOutputs out;
  node.runner->Turn(std::move(events), &out);
  CHECK_MSG(out.Health().has_value(), "{}", out.Health().error().message);
  for (const worker::TokenOut& token : out.tokens) {
    node.record.tokens.push_back(
        {token.sequence, token.position, token.exit_layer, now_.since_start.count()});
  }
}

bool SimulatedPipeline::LooksAtExit(const SegmentJob& job) const {
  return simulation_.costs.exit && job.layer_end < simulation_.n_layers &&
         std::count(simulation_.exit_layers.begin(), simulation_.exit_layers.end(), job.layer_end) > 0;
}

Duration SimulatedPipeline::Cost(const Job& job) const {
  const LayerCosts& costs = simulation_.costs;
  double seconds = 0;
  if (const auto* segment = std::get_if<SegmentJob>(&job.work)) {
    const auto run = static_cast<double>(segment->run.size());
    const auto fill = static_cast<double>(segment->fill.size());
    // One pass over W_K and W_V serves both.
    seconds = (segment->layer_end - segment->layer_begin) *
              (costs.layer.At(run) + costs.fill.At(run + fill) - costs.fill.At(run));
    if (LooksAtExit(*segment)) seconds += costs.exit->At(run);  // also for prompt rows, a little too much
  } else {
    seconds = costs.head.At(static_cast<double>(std::get<HeadJob>(job.work).rows.size()));
  }
  return FromSeconds(seconds);
}

}  // namespace

std::vector<BenchRank> Simulate(const Simulation& simulation,
                                const std::vector<worker::SequenceSpec>& requests) {
  return SimulatedPipeline(simulation, requests).Run(requests);
}

BenchFigures SimulateWorkload(const SplitRequest& request, const std::vector<LayerSpan>& split,
                              const BenchWorkload& workload, int prefill_chunk_tokens) {
  Simulation simulation{.n_layers = request.n_layers, .split = split, .costs = request.costs};
  simulation.prefill_chunk_tokens = prefill_chunk_tokens;
  ExitSetting exit;
  if (!request.profile.empty()) {
    exit = {.mode = ExitMode::kPropagate, .measure = ExitMeasure::kForced, .forced = request.profile};
  }
  for (const ForcedExit& forced : exit.forced) simulation.exit_layers.push_back(forced.layer);
  return ComputeFigures(workload, 0, Simulate(simulation, MakeBenchRequests(workload, {}, exit, 1, 1)));
}

std::vector<LayerSpan> PlanSplit(const SplitRequest& request, BenchWorkload workload,
                                 int prefill_chunk_tokens) {
  if (request.stages == 1) return EvenSplit(request.n_layers, 1);
  workload.tokens = std::min(workload.tokens, std::max(kLeastTokens, kPlanTokens / workload.streams));
  std::set<std::string> tried;
  std::vector<LayerSpan> best;
  double best_rate = -1;
  const auto consider = [&](const std::vector<LayerSpan>& split) {
    if (!tried.insert(SplitText(split)).second) return false;
    const double rate = SimulateWorkload(request, split, workload, prefill_chunk_tokens).tokens_per_second;
    if (rate <= best_rate * (1 + kLeastGain)) return false;
    best_rate = rate;
    best = split;
    return true;
  };
  SplitRequest balanced = request;
  for (balanced.rows = 1; balanced.rows <= kMostRows; balanced.rows *= 2) consider(BalancedSplit(balanced));
  for (bool improved = true; improved;) {
    improved = false;
    for (size_t boundary = 1; boundary < best.size(); ++boundary) {
      for (const int move : {-4, -2, -1, 1, 2, 4}) {
        std::vector<LayerSpan> split = best;
        const int at = split[boundary].begin + move;
        if (at <= split[boundary - 1].begin || at >= split[boundary].end) continue;
        split[boundary - 1].end = split[boundary].begin = at;
        improved |= consider(split);
      }
    }
  }
  return best;
}

}  // namespace exeunt::tools
