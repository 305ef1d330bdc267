#include "tools/simulation.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <set>
#include <string>

#include "base/check.h"
#include "worker/stage.h"

namespace exeunt {
namespace {

constexpr int32_t kToken = 0;
constexpr int kKvPages = 1 << 20;
constexpr int kMostRows = 32;         // of a step that a split is balanced for: more cost in proportion
constexpr int kPlanTokens = 2048;     // of a simulation for a plan, of all streams
constexpr int kLeastTokens = 8;       // of a stream
constexpr double kLeastGain = 0.002;  // of a split over another: less is chance

class SimulatedPipeline {
 public:
  SimulatedPipeline(const Simulation& simulation, const std::vector<SequenceSpec>& requests);
  std::vector<BenchRank> Run();

 private:
  struct Arrival {
    TimePoint time;
    StageEvent event;
  };
  struct Node {
    explicit Node(const StageConfig& config, const ExitPolicy* policy) : stage(config, policy) {}
    Stage stage;
    std::deque<Arrival> inbox;  // ascending by time
    std::optional<Arrival> job;
    TimePoint last_turn;
    std::vector<StageAction> actions;
    BenchRank record;
  };

  std::optional<TimePoint> NextTurn(const Node& node) const;
  void Turn(size_t index, TimePoint now);
  void Act(size_t index, TimePoint now, StageAction* action);
  void Deliver(size_t to, TimePoint when, StageEvent event);
  bool LooksAtExit(const SegmentJob& job) const;
  Duration Cost(const Job& job) const;

  const Simulation& simulation_;
  CalmExitPolicy policy_;
  std::deque<Node> nodes_;
};

SimulatedPipeline::SimulatedPipeline(const Simulation& simulation, const std::vector<SequenceSpec>& requests)
    : simulation_(simulation) {
  int positions = 0;
  for (const SequenceSpec& spec : requests) positions = std::max(positions, spec.positions());
  const int ranks = static_cast<int>(simulation.split.size());
  for (int rank = 0; rank < ranks; ++rank) {
    StageConfig config;
    config.rank = rank;
    config.split = simulation.split;
    config.limits = {{positions, kToken + 1, simulation.n_layers}, cpu::kPageTokens};
    config.exit_layers = simulation.exit_layers;
    config.kv_pages = kKvPages;
    config.prefill_chunk_tokens = simulation.prefill_chunk_tokens;
    config.prefill_first = true;  // as bench
    nodes_.emplace_back(config, &policy_);
  }
  nodes_[0].inbox.push_back({TimePoint{}, AdmitSequences{requests}});
}

// When the stage has something to do: it looks at its links between jobs only.
std::optional<TimePoint> SimulatedPipeline::NextTurn(const Node& node) const {
  if (node.job) return node.job->time;
  std::optional<TimePoint> next = node.stage.NextWake();
  if (next && *next <= node.last_turn) next.reset();  // it was due then, and must wait for something else
  if (!node.inbox.empty() && (!next || node.inbox.front().time < *next)) next = node.inbox.front().time;
  return next;
}

std::vector<BenchRank> SimulatedPipeline::Run() {
  TimePoint now;
  for (;;) {
    std::optional<TimePoint> when;
    size_t who = 0;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const auto next = NextTurn(nodes_[i]);
      if (next && (!when || *next < *when)) {
        when = next;
        who = i;
      }
    }
    if (!when) break;
    now = std::max(now, *when);
    Turn(who, now);
  }
  std::vector<BenchRank> records;
  for (Node& node : nodes_) {
    CHECK(node.stage.Idle());
    records.push_back(std::move(node.record));
  }
  return records;
}

void SimulatedPipeline::Turn(size_t index, TimePoint now) {
  Node& node = nodes_[index];
  node.last_turn = now;
  std::vector<StageEvent> events;
  if (node.job) events.push_back(std::move(node.job->event));
  node.job.reset();
  while (!node.inbox.empty() && node.inbox.front().time <= now) {
    events.push_back(std::move(node.inbox.front().event));
    node.inbox.pop_front();
    if (std::holds_alternative<FrameArrived>(events.back()) && index > 0) {
      Deliver(index - 1, now + simulation_.link_delay, FrameTaken{});
    }
  }
  node.stage.Step(now, events, &node.actions);
  for (StageAction& action : node.actions) Act(index, now, &action);
}

void SimulatedPipeline::Deliver(size_t to, TimePoint when, StageEvent event) {
  auto& inbox = nodes_[to].inbox;
  const auto after = std::upper_bound(inbox.begin(), inbox.end(), when,
                                      [](TimePoint t, const Arrival& a) { return t < a.time; });
  inbox.insert(after, {when, std::move(event)});
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
    if (LooksAtExit(*segment)) seconds += costs.exit->At(run);  // at rows of prompts, too: a little too much
  } else {
    seconds = costs.head.At(static_cast<double>(std::get<HeadJob>(job.work).rows.size()));
  }
  return FromSeconds(seconds);
}

void SimulatedPipeline::Act(size_t index, TimePoint now, StageAction* action) {
  Node& node = nodes_[index];
  if (auto* send = std::get_if<SendFrame>(action)) {
    const size_t to = send->link == Link::kNext ? index + 1 : 0;
    Deliver(to, now + simulation_.link_delay, FrameArrived{std::move(send->frame), 0});
  } else if (auto* submit = std::get_if<SubmitJob>(action)) {
    StepSpan span = SpanOf(submit->job);
    span.begin = now;
    span.end = now + Cost(submit->job);
    node.record.spans.push_back(span);
    JobDone done{std::move(submit->job)};
    if (auto* head = std::get_if<HeadJob>(&done.job.work)) {
      head->results.assign(head->rows.size(), {.token = kToken});
    } else {
      auto& segment = std::get<SegmentJob>(done.job.work);
      segment.result.signals.assign(segment.signals.size(), 0.0F);
      segment.result.previews.assign(LooksAtExit(segment) ? segment.run.size() : 0, kToken);
    }
    node.job = Arrival{span.end, std::move(done)};
  } else if (const auto* token = std::get_if<TokenOut>(action)) {
    node.record.tokens.push_back(
        {token->sequence, token->position, token->exit_layer, now.since_start.count()});
  } else {
    CHECK(!std::holds_alternative<StageFailed>(*action));
  }
}

}  // namespace

std::vector<BenchRank> Simulate(const Simulation& simulation, const std::vector<SequenceSpec>& requests) {
  return SimulatedPipeline(simulation, requests).Run();
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

}  // namespace exeunt
