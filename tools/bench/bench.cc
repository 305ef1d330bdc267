// The verb `bench` measures the speed of a pipeline, over real MPI and without HTTP. Every rank of the job is
// a stage: mpirun -n 2 exeunt bench MODEL. Without mpirun there is one stage.
#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <thread>

#include "backend/cpu/cpu_backend.h"
#include "base/error.h"
#include "costs/layer_costs.h"
#include "costs/layer_split.h"
#include "kernels/cpu/machine_peak.h"
#include "text/open_tokenizer.h"
#include "tools/batch_generation.h"
#include "tools/bench/bench_gather.h"
#include "tools/bench/bench_report.h"
#include "tools/bench/simulation.h"
#include "tools/exit_options.h"
#include "tools/model_options.h"
#include "tools/prompt_file.h"
#include "tools/rank_verb.h"
#include "tools/verbs.h"
#include "transport/mpi/mpi_channel.h"
#include "transport/mpi/mpi_collective.h"
#include "worker/process/local_pipeline.h"

namespace exeunt::tools {
namespace {

struct BenchOptions {
  ModelOptions model;
  std::vector<std::string> workloads = {"prefill:512", "decode:1", "decode:8", "decode:32"};
  int threads = 1;
  int repeat = 1;
  int prefill_chunk = 256;
  std::string split = "auto";
  std::string exit_layers = "none";
  std::string exits_directory;
  ExitOptions exit;
  std::string exit_profile;
  std::string prompts;
  std::string trace;
  bool json = false;
  bool operations = false;
  bool pin = false;
};

constexpr auto kRunDeadline = std::chrono::minutes(10);
constexpr size_t kLeastPeakBytes = size_t{64} << 20;

// One rank of the benchmark. It keeps its stage over all workloads.
class Bench {
 public:
  Bench(const BenchOptions& options, const transport::MpiSession& mpi) : options_(options), mpi_(mpi) {}
  Status Run();

 private:
  Status Load();
  Status LoadPrompts(const ModelSource& source);
  Result<std::vector<LayerSpan>> ChooseSplit(const std::shared_ptr<const ModelSource>& source) const;
  void MeasurePeaks(size_t weight_bytes);
  Result<int64_t> RunOnce(const BenchWorkload& workload);
  Result<BenchFigures> Measure(const BenchWorkload& workload);
  void Print(const BenchWorkload& workload, const BenchFigures& figures) const;
  void PrintOperations(const OpSeconds& before) const;
  Status WriteTrace() const;

  const BenchOptions& options_;
  const transport::MpiSession& mpi_;
  std::vector<BenchWorkload> workloads_;
  BenchPrompts prompts_;
  ExitSetting exit_;
  std::vector<LayerSpan> split_;
  int vocab_size_ = 0;
  CalmExitPolicy policy_;
  std::shared_ptr<const Backend> backend_ = MakeCpuBackend();
  std::unique_ptr<transport::DataChannel> channel_;
  std::function<OpSeconds()> op_seconds_;  // for the runner's executor
  std::unique_ptr<worker::StageRunner> runner_;
  worker::StepTrace trace_;
  Duration clock_offset_{0};
  BenchRank own_;
  std::vector<BenchRank> last_;  // rank 0: records of the last run
  uint64_t next_sequence_ = 1;
};

// Decoding streams get the lines of --prompts in turn.
Status Bench::LoadPrompts(const ModelSource& source) {
  if (options_.prompts.empty()) return OkStatus();
  ASSIGN_OR_RETURN(const auto tokenizer, text::OpenTokenizer(source));
  ASSIGN_OR_RETURN(const auto lines, ReadPromptFile(options_.prompts, 0));
  size_t longest = 1;
  for (const PromptLine& line : lines) {
    prompts_.prompts.push_back(tokenizer->Encode(line.prompt, /*add_special=*/true, /*parse_special=*/true));
    longest = std::max(longest, prompts_.prompts.back().size());
  }
  prompts_.end_tokens = tokenizer->end_tokens();
  for (BenchWorkload& workload : workloads_) {
    if (workload.kind != BenchKind::kDecode) {
      return InvalidArgument("--prompts: workload '{}' does not decode", workload.name);
    }
    workload.prompt_tokens = static_cast<int>(longest);
    if (workload.prompt_tokens + workload.tokens > source.config().context_length) {
      return InvalidArgument("--prompts: {} tokens and {} more are over the model's context of {}", longest,
                             workload.tokens, source.config().context_length);
    }
  }
  return OkStatus();
}

Status Bench::Load() {
  ASSIGN_OR_RETURN(const auto source, options_.model.Open());
  const ModelConfig& model = source->config();
  vocab_size_ = model.vocab_size;
  for (const std::string& text : options_.workloads) {
    ASSIGN_OR_RETURN(BenchWorkload workload, ParseWorkload(text, model.context_length));
    workloads_.push_back(std::move(workload));
  }
  RETURN_IF_ERROR(LoadPrompts(*source));
  int pages = 1;
  for (const BenchWorkload& workload : workloads_) {
    pages = std::max(
        pages, PagesFor(static_cast<size_t>(workload.streams), workload.prompt_tokens + workload.tokens));
  }
  ASSIGN_OR_RETURN(exit_, options_.exit.Parse(model.n_layers));
  ASSIGN_OR_RETURN(split_, ChooseSplit(source));
  StageBuild build;
  build.source = source;
  build.layers = split_[static_cast<size_t>(mpi_.rank())];
  ASSIGN_OR_RETURN(build.exit_layers,
                   ChooseExitLayers(options_.exit_layers, options_.exits_directory, model.n_layers));
  build.exits_directory = options_.exits_directory;
  build.kv_pages = pages;
  build.threads = options_.threads;
  if (options_.pin) {
    const transport::MpiLocalRank local = transport::MpiLocal();
    build.cpus = cpu::CpusToPin(local.rank, local.ranks, options_.threads);
    if (build.cpus.empty()) {
      return InvalidArgument("--pin: {} rank(s) of {} thread(s) on this machine, and fewer CPUs to run on",
                             local.ranks, options_.threads);
    }
  }
  build.progress = [this] { channel_->Progress(); };
  ASSIGN_OR_RETURN(StageExecutor stage, backend_->Build(build));
  worker::StageConfig config = worker::MakeStageConfig(backend_->info(), build, split_, mpi_.rank(), 1);
  config.prefill_chunk_tokens = options_.prefill_chunk;
  config.prefill_first = true;
  own_.work = stage.work;
  MeasurePeaks(stage.weight_bytes);
  op_seconds_ = std::move(stage.op_seconds);
  runner_ =
      std::make_unique<worker::StageRunner>(config, &policy_, std::move(stage.executor), channel_.get());
  runner_->set_trace(&trace_);
  return OkStatus();
}

// Returns the workload with the most streams, and of those the one with the longest prompt.
const BenchWorkload& Heaviest(const std::vector<BenchWorkload>& workloads) {
  return *std::max_element(
      workloads.begin(), workloads.end(), [](const BenchWorkload& a, const BenchWorkload& b) {
        return std::pair(a.streams, a.prompt_tokens) < std::pair(b.streams, b.prompt_tokens);
      });
}

// Chooses the split for the heaviest workload and the forced exits or the given profile, by costs that rank 0
// measured. The ranks measure at once, because they compute at once in the runs. No more ranks measure than
// there are cores, because a job that loses its core has a meaningless time.
Result<std::vector<LayerSpan>> Bench::ChooseSplit(const std::shared_ptr<const ModelSource>& source) const {
  SplitRequest request{.stages = mpi_.ranks(), .n_layers = source->config().n_layers};
  if (exit_.Enabled() && exit_.measure == ExitMeasure::kForced) request.profile = exit_.forced;
  if (!options_.exit_profile.empty()) {
    ASSIGN_OR_RETURN(request.profile, ParseForced(options_.exit_profile, request.n_layers));
  }
  ASSIGN_OR_RETURN(std::vector<LayerSpan> split, ParseSplit(options_.split, request));
  if (options_.split != "auto" || mpi_.ranks() == 1) return split;
  ExitLook look{options_.exits_directory, ExitMeasure::kForced};
  if (exit_.Enabled() && !request.profile.empty()) look.measure = exit_.measure;
  transport::MpiBarrier();
  const auto cores = static_cast<int>(std::thread::hardware_concurrency());
  if (const int local = transport::MpiLocal().rank; local == 0 || (local + 1) * options_.threads <= cores) {
    ASSIGN_OR_RETURN(request.costs, MeasureLayerCosts(*backend_, source, options_.threads, look));
  }
  if (mpi_.rank() == 0) split = PlanSplit(request, Heaviest(workloads_), options_.prefill_chunk);
  for (size_t i = 1; i < split.size(); ++i) {
    split[i].begin = split[i - 1].end = transport::MpiBroadcast(split[i].begin);
  }
  return split;
}

// Measures on all ranks at once, like ChooseSplit.
void Bench::MeasurePeaks(size_t weight_bytes) {
  cpu::ThreadPool pool(options_.threads);
  transport::MpiBarrier();
  own_.read_bandwidth = cpu::MeasureReadBandwidth(std::max(weight_bytes, kLeastPeakBytes), &pool);
  transport::MpiBarrier();
  own_.int_dot_peak = cpu::MeasureIntDotPeak(cpu::OpsFor(cpu::DefaultIsa()), &pool);
  transport::MpiBarrier();
}

// Runs the workload to its end and returns the time of admission. Tokens and spans are left in own_.
Result<int64_t> Bench::RunOnce(const BenchWorkload& workload) {
  auto requests = MakeBenchRequests(workload, prompts_, exit_, vocab_size_, next_sequence_);
  next_sequence_ += requests.size();
  const uint64_t opened = next_sequence_ - 1;
  own_.tokens.clear();
  trace_.Clear();
  transport::MpiBarrier();
  const TimePoint begin = MonotonicNow();
  std::vector<worker::StageEvent> events;
  if (mpi_.rank() == 0) events.push_back(worker::AdmitSequences{std::move(requests)});
  while (!events.empty() || runner_->stage().opened() < opened || !runner_->Idle()) {
    worker::StageOutputs out;
    const bool worked = runner_->Turn(std::exchange(events, {}), &out);
    RETURN_IF_ERROR(out.Health());
    const TimePoint now = MonotonicNow();
    for (const worker::TokenOut& t : out.tokens) {
      own_.tokens.push_back(
          {t.sequence, t.position, t.exit_layer, (now + clock_offset_).since_start.count()});
    }
    if (worked) continue;
    if (now - begin > kRunDeadline) {
      return DeadlineExceeded("workload {} is not done within {} min", workload.name, kRunDeadline.count());
    }
    sched_yield();
  }
  if (trace_.dropped() > 0) {
    return ResourceExhausted("workload {}: {} jobs, {} more than a trace holds: fewer tokens, please",
                             workload.name, trace_.spans().size() + trace_.dropped(), trace_.dropped());
  }
  own_.spans = trace_.spans();
  for (worker::StepSpan& s : own_.spans) {
    s.begin = s.begin + clock_offset_;
    s.end = s.end + clock_offset_;
  }
  return begin.since_start.count();
}

// Returns the run with the median rate, at rank 0.
Result<BenchFigures> Bench::Measure(const BenchWorkload& workload) {
  BenchWorkload warm_up = workload;
  warm_up.tokens = std::min(warm_up.tokens, 4);
  ASSIGN_OR_RETURN(const int64_t warmed, RunOnce(warm_up));
  static_cast<void>(warmed);
  std::vector<BenchFigures> runs;
  for (int i = 0; i < options_.repeat; ++i) {
    ASSIGN_OR_RETURN(const int64_t begin, RunOnce(workload));
    last_ = GatherRanks(own_);
    if (mpi_.rank() != 0) continue;
    runs.push_back(ComputeFigures(workload, begin, last_));
    RETURN_IF_ERROR(RequireWindow(workload, runs.back()));
  }
  if (runs.empty()) return BenchFigures{};
  std::sort(runs.begin(), runs.end(), [](const BenchFigures& a, const BenchFigures& b) {
    return a.tokens_per_second < b.tokens_per_second;
  });
  return runs[runs.size() / 2];
}

void Bench::Print(const BenchWorkload& workload, const BenchFigures& f) const {
  if (options_.json) {
    boost::json::object json = ToJson(workload, f);
    json["threads"] = options_.threads;
    json["stages"] = mpi_.ranks();
    json["split"] = SplitText(split_);
    json["isa"] = backend_->info().device;
    json["repeat"] = options_.repeat;
    std::puts(boost::json::serialize(json).c_str());
    std::fflush(stdout);
    return;
  }
  fmt::print("{}", FiguresText(workload.name, f, split_));
  std::fflush(stdout);
}

// Prints the operations of rank 0's stage, over all runs of the workload, with their prompts.
void Bench::PrintOperations(const OpSeconds& before) const {
  const OpSeconds after = op_seconds_();
  double all = 0;
  for (size_t i = 0; i < after.size(); ++i) all += after[i].second - before[i].second;
  fmt::print("    stage 0 spends");
  for (size_t i = 0; i < after.size(); ++i) {
    fmt::print(" {} {:.1f} %{}", after[i].first, 100 * (after[i].second - before[i].second) / all,
               i + 1 < after.size() ? "," : "\n");
  }
}

Status Bench::WriteTrace() const {
  std::ofstream file(options_.trace);
  file << boost::json::serialize(boost::json::object{{"traceEvents", ChromeTrace(last_)}}) << '\n';
  file.close();
  if (!file) return Unavailable("--trace: cannot write {}", options_.trace);
  return OkStatus();
}

Status Bench::Run() {
  channel_ = transport::MakeMpiChannel();
  clock_offset_ = transport::MpiClockOffset();
  RETURN_IF_ERROR(Load());
  const auto peaks = GatherRanks(own_);
  if (!options_.json) {
    for (size_t i = 0; i < peaks.size(); ++i) {
      fmt::print(
          "stage {}: layers {}-{}, {} thread(s), {}; reads {:.1f} GB/s, {:.0f} G integer multiply-adds/s\n",
          i, split_[i].begin, split_[i].end, options_.threads, backend_->info().device,
          peaks[i].read_bandwidth * 1e-9, peaks[i].int_dot_peak * 1e-9);
    }
  }
  for (const BenchWorkload& workload : workloads_) {
    const OpSeconds before = op_seconds_();
    ASSIGN_OR_RETURN(const BenchFigures figures, Measure(workload));
    if (mpi_.rank() == 0) Print(workload, figures);
    if (mpi_.rank() == 0 && options_.operations) PrintOperations(before);
  }
  if (mpi_.rank() == 0 && !options_.trace.empty()) return WriteTrace();
  return OkStatus();
}

}  // namespace

void AddBench(CLI::App* app, int* status) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* verb = app->add_subcommand(
      "bench", "Measure prefill, decode and pipelines; a stage per rank: mpirun -n 2 exeunt bench MODEL");
  options->model.AddTo(verb);
  verb->add_option("--workload", options->workloads,
                   "prefill:TOKENS, decode:STREAMS[xTOKENS], context:TOKENS; several may be given")
      ->capture_default_str();
  verb->add_option(
      "--prompts", options->prompts,
      "JSONL file of prompts for the decoding streams, in turns, whose answers end where the model "
      "ends them; all prompts are read first, and the rate is that of the time in which every stream "
      "decodes");
  verb->add_option("--threads", options->threads, "compute threads a stage")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  verb->add_option("--repeat", options->repeat, "runs of each workload; the median is printed")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  verb->add_option("--prefill-chunk", options->prefill_chunk, "prompt tokens a step, at most")
      ->check(CLI::Range(1, 8192))
      ->capture_default_str();
  verb->add_option("--split", options->split, "layers of the stages: auto, even, or 0-12,12-30")
      ->capture_default_str();
  verb->add_option("--exit-profile", options->exit_profile,
                   "layer:share,... of tokens that are expected to leave after a layer, for --split auto");
  verb->add_option("--exit-layers", options->exit_layers, "exits after these layers: auto, none, or 15,21")
      ->capture_default_str();
  verb->add_option("--exits", options->exits_directory, "directory with exits.json and exits.safetensors");
  options->exit.AddTo(verb);
  verb->add_option("--trace", options->trace,
                   "write the last workload's steps to FILE, for chrome://tracing or ui.perfetto.dev");
  verb->add_flag("--pin", options->pin, "pin every thread to a CPU of its own");
  verb->add_flag("--operations", options->operations, "also print where the first stage's time goes");
  verb->add_flag("--json", options->json, "one JSON object a workload");
  verb->callback([options, status] {
    *status =
        RunOnRanks("bench", [&](const transport::MpiSession& mpi) { return Bench(*options, mpi).Run(); });
  });
}

}  // namespace exeunt::tools
