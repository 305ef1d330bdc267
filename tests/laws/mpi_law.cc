// The pipeline law over real mpirun: every rank is a stage over the MPI channel; what the ranks generate
// together must be, bit for bit, what one stage generates in one process. Run as: mpirun -n P mpi_law
// [model.gguf]. Prints a line per scenario; exits non-zero where one fails.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <random>
#include <thread>

#include "base/check.h"
#include "costs/layer_split.h"
#include "tests/laws/law_harness.h"
#include "transport/mpi/mpi_channel.h"
#include "transport/mpi/mpi_collective.h"
#include "worker/process/logits_digest.h"

namespace exeunt {
namespace {

constexpr auto kDeadline = std::chrono::seconds(240);
constexpr int kMaxCancels = 8;

struct Scenario {
  const char* name;
  worker::LocalPipelineOptions options;
  std::vector<worker::SequenceSpec> requests;
  bool cancels = false;  // requests arrive over time, and some are cancelled
};

// One token as numbers that can be gathered: sequence, position, token, exit layer, digest.
using Flat = std::vector<uint64_t>;

// What happens at stage 0 in one turn: all requests at once, or some of them over time and a cancel now and
// then.
std::vector<worker::StageEvent> Arrivals(const Scenario& scenario, std::mt19937_64* rng, size_t* admitted,
                                         int* cancels) {
  std::vector<worker::StageEvent> events;
  worker::AdmitSequences admit;
  while (*admitted < scenario.requests.size() && (!scenario.cancels || (*rng)() % 4 == 0)) {
    admit.specs.push_back(scenario.requests[(*admitted)++]);
  }
  if (!admit.specs.empty()) events.push_back(std::move(admit));
  if (scenario.cancels && *admitted > 0 && *cancels < kMaxCancels && (*rng)() % 30 == 0) {
    ++*cancels;
    events.push_back(worker::CancelSequences{{scenario.requests[(*rng)() % *admitted].sequence}});
  }
  return events;
}

// Drives this rank's stage until everything that was admitted is over, here and upstream.
Flat RunRank(const std::shared_ptr<const ModelSource>& source, const Scenario& scenario, int rank,
             uint64_t seed, std::map<uint64_t, EndReason>* finished) {
  const auto channel = transport::MakeMpiChannel();
  const LayerSpan layers = scenario.options.split[static_cast<size_t>(rank)];
  StageBuild build;
  build.source = source;
  build.layers = layers;
  build.exit_layers = scenario.options.exit_layers;
  build.kv_pages = scenario.options.kv_pages;
  build.threads = scenario.options.threads;
  build.progress = [&] { channel->Progress(); };
  auto stage = scenario.options.backend->Build(build);
  CHECK_MSG(stage.has_value(), "{}", stage.error().message);
  worker::StageConfig config =
      worker::MakeStageConfig(scenario.options.backend->info(), build, scenario.options.split, rank, 1);
  config.least_prefill_chunk_tokens = config.prefill_chunk_tokens = scenario.options.prefill_chunk_tokens;
  const CalmExitPolicy policy;
  worker::StageRunner runner(config, &policy, LawExecutor(std::move(stage->executor)), channel.get());
  Flat flat;
  worker::StageOutputs out;
  const TimePoint end = MonotonicNow() + kDeadline;
  std::mt19937_64 rng(seed);
  size_t admitted = 0;
  int cancels = 0;
  while (runner.stage().opened() < scenario.requests.size() || !runner.Idle()) {
    CHECK_MSG(MonotonicNow() < end, "{}: rank {} is not done within {} s", scenario.name, rank,
              kDeadline.count());
    std::vector<worker::StageEvent> events;
    if (rank == 0) events = Arrivals(scenario, &rng, &admitted, &cancels);
    if (!runner.Turn(std::move(events), &out)) std::this_thread::yield();
    CHECK_MSG(out.Health().has_value(), "{}", out.Health().error().message);
  }
  for (const worker::SequenceFinishedOut& f : out.finished) (*finished)[f.sequence] = f.reason;
  for (const worker::TokenOut& t : out.tokens) {
    flat.insert(flat.end(), {t.sequence, static_cast<uint64_t>(t.position), static_cast<uint64_t>(t.token),
                             static_cast<uint64_t>(t.exit_layer), worker::LogitsDigest(t.logits)});
  }
  CHECK_EQ(runner.stage().pages_used(), 0);
  transport::MpiBarrier();
  return flat;
}

Flat Gather(const Flat& own) {
  const auto* bytes = reinterpret_cast<const std::byte*>(own.data());
  Flat all;
  for (const auto& rank : transport::MpiGather({bytes, bytes + own.size() * sizeof(uint64_t)})) {
    const size_t at = all.size();
    all.resize(at + rank.size() / sizeof(uint64_t));
    std::memcpy(all.data() + at, rank.data(), rank.size());
  }
  return all;
}

Generated ToGenerated(const Flat& flat, const std::vector<worker::SequenceSpec>& requests) {
  std::map<uint64_t, std::map<uint64_t, GeneratedToken>> by_position;
  for (size_t i = 0; i + 5 <= flat.size(); i += 5) {
    by_position[flat[i]][flat[i + 1]] = {static_cast<int32_t>(flat[i + 2]), static_cast<int>(flat[i + 3]),
                                         flat[i + 4]};
  }
  Generated generated;
  for (const worker::SequenceSpec& r : requests) {
    for (const auto& [position, token] : by_position[r.sequence]) generated[r.sequence].push_back(token);
  }
  return generated;
}

std::vector<Scenario> TinyScenarios(int ranks) {
  std::vector<Scenario> scenarios;
  const auto add = [&](const char* name, std::vector<LayerSpan> split, const RequestMix& mix, int threads) {
    Scenario s{name, {}, MakeRequests(mix, 300)};
    s.options.split = std::move(split);
    s.options.exit_layers = {1, 6, 10, 15, 26};
    s.options.kv_pages = 256;
    s.options.threads = threads;
    s.options.prefill_chunk_tokens = 16;
    scenarios.push_back(std::move(s));
  };
  RequestMix mix;
  mix.count = 32;
  add("off, 32 requests", EvenSplit(30, ranks), mix, 1);
  mix.sampled = true;
  mix.exit = ForcedExits({{1, 0.1F}, {6, 0.3F}, {15, 0.3F}});
  add("forced exits, sampled, 2 threads", EvenSplit(30, ranks), mix, 2);
  scenarios.back().options.prefill_chunk_tokens = 500;  // prompts in one piece
  add("random arrivals and cancels", EvenSplit(30, ranks), mix, 1);
  scenarios.back().cancels = true;
  mix.count = 5;
  mix.exit = {.mode = ExitMode::kPropagate, .measure = ExitMeasure::kSoftmax, .threshold = 0.01F};
  std::vector<LayerSpan> uneven = EvenSplit(30 - 4, ranks > 26 ? 26 : ranks);
  uneven.back().end = 30;
  if (ranks <= 26) add("softmax exits, uneven split", uneven, mix, 1);
  return scenarios;
}

std::vector<Scenario> RealScenarios(int ranks, int vocab_size) {
  Scenario s{"default model, forced exits", {}, {}};
  RequestMix mix;
  mix.count = 6;
  mix.max_tokens = 8;
  mix.exit = ForcedExits({{12, 0.3F}, {20, 0.2F}});
  s.requests = MakeRequests(mix, vocab_size);
  s.options.split = EvenSplit(30, ranks);
  s.options.exit_layers = {12, 20};
  s.options.kv_pages = 64;
  return {s};
}

// Cancelled requests have a prefix of what they would have had; all others all of it.
bool Same(const Generated& got, const Generated& want, const std::map<uint64_t, EndReason>& finished) {
  for (const auto& [sequence, tokens] : want) {
    const auto it = got.find(sequence);
    const size_t n = it == got.end() ? 0 : it->second.size();
    if (n > tokens.size() || !finished.contains(sequence)) return false;
    if (finished.at(sequence) != EndReason::kCancelled && n != tokens.size()) return false;
    if (!std::equal(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(n),
                    n == 0 ? tokens.begin() : it->second.begin())) {
      return false;
    }
  }
  return true;
}

int Main(int argc, char** argv) {
  transport::MpiSession mpi(&argc, &argv);
  const bool real = argc > 1;
  std::shared_ptr<const ModelSource> source;
  if (real) {
    auto opened = ModelSource::Open(argv[1]);
    CHECK_MSG(opened.has_value(), "{}", opened.error().message);
    source = opened.value();
  } else {
    source = RandomModel(TinyThirty(DType::kQ4_1));
  }
  const auto scenarios =
      real ? RealScenarios(mpi.ranks(), source->config().vocab_size) : TinyScenarios(mpi.ranks());
  const uint64_t seed = std::random_device{}();
  if (mpi.rank() == 0) std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  int failures = 0;
  for (const Scenario& scenario : scenarios) {
    std::map<uint64_t, EndReason> finished;
    const Flat own = RunRank(source, scenario, mpi.rank(), seed, &finished);
    const Flat all = Gather(own);
    if (mpi.rank() != 0) continue;
    worker::LocalPipelineOptions one = scenario.options;
    one.split = EvenSplit(30, 1);
    one.wrap_executor = [](std::unique_ptr<Executor> e) { return e; };   // EXEUNT_LAW_EXECUTOR, too
    one.backend = MakeCpuBackend({.isa = cpu::SupportedIsas().back()});  // EXEUNT_ISA is for the stages
    const Generated want = RunLaw(source, one, scenario.requests).generated;
    const auto cancelled = std::count_if(finished.begin(), finished.end(),
                                         [](const auto& f) { return f.second == EndReason::kCancelled; });
    const bool same = Same(ToGenerated(all, scenario.requests), want, finished) &&
                      want.size() == scenario.requests.size() && (cancelled > 0) == scenario.cancels;
    std::printf("%s: %d stages, %s: %zu tokens, %td cancelled\n", same ? "PASS" : "FAIL", mpi.ranks(),
                scenario.name, all.size() / 5, cancelled);
    failures += same ? 0 : 1;
  }
  return transport::MpiBroadcast(failures) == 0 ? 0 : 1;
}

}  // namespace
}  // namespace exeunt

int main(int argc, char** argv) { return exeunt::Main(argc, argv); }
