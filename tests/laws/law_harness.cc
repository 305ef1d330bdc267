#include "tests/laws/law_harness.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string_view>

#include "backend/testing/late_executor.h"
#include "base/check.h"
#include "worker/process/logits_digest.h"

namespace exeunt {

RandomModelSpec TinyThirty(DType dtype) {
  RandomModelSpec spec;
  spec.n_layers = 30;
  spec.d_model = 64;
  spec.n_heads = 4;
  spec.n_kv_heads = 2;
  spec.head_dim = 16;
  spec.d_ff = 96;
  spec.vocab_size = 300;
  spec.dtype = dtype;
  return spec;
}

std::shared_ptr<const ModelSource> RandomModel(const RandomModelSpec& spec) {
  const auto path = std::filesystem::temp_directory_path() /
                    ("exeunt-law-" + std::to_string(getpid()) + "-" + std::to_string(spec.n_layers) +
                     std::string(Info(spec.dtype).name) + std::to_string(spec.seed) + ".gguf");
  const Status written = WriteRandomModel(spec, path.string());
  CHECK_MSG(written.has_value(), "{}", written.error().message);
  auto source = ModelSource::Open(path.string());
  std::filesystem::remove(path);  // the map keeps the file
  CHECK_MSG(source.has_value(), "{}", source.error().message);
  return source.value();
}

std::vector<worker::SequenceSpec> MakeRequests(const RequestMix& mix, int vocab_size) {
  std::mt19937_64 rng(mix.seed);
  std::vector<worker::SequenceSpec> requests;
  for (int i = 0; i < mix.count; ++i) {
    worker::SequenceSpec spec;
    spec.sequence = static_cast<uint64_t>(i + 1);
    const auto prompt = 1 + rng() % static_cast<uint64_t>(mix.max_prompt);
    for (uint64_t p = 0; p < prompt; ++p) {
      spec.prompt.push_back(static_cast<int32_t>(rng() % static_cast<uint64_t>(vocab_size)));
    }
    spec.max_tokens = static_cast<int>(1 + rng() % static_cast<uint64_t>(mix.max_tokens));
    spec.sampling.temperature = mix.sampled ? 1.0F : 0.0F;
    spec.sampling.seed = rng();
    spec.exit = mix.exit;
    spec.want_logits = true;
    requests.push_back(std::move(spec));
  }
  return requests;
}

ExitSetting ForcedExits(std::vector<ForcedExit> exits) {
  ExitSetting setting;
  setting.mode = ExitMode::kPropagate;
  setting.measure = ExitMeasure::kForced;
  setting.forced = std::move(exits);
  return setting;
}

namespace {

void Collect(const worker::StageOutputs& out, LawRun* run) {
  for (const worker::TokenOut& t : out.tokens) {
    auto& tokens = run->generated[t.sequence];
    const GeneratedToken token{t.token, t.exit_layer, worker::LogitsDigest(t.logits)};
    tokens.push_back(token);
  }
  for (const worker::SequenceFinishedOut& f : out.finished) {
    EXPECT_FALSE(run->finished.contains(f.sequence)) << "sequence " << f.sequence << " finished twice";
    run->finished[f.sequence] = f;
  }
}

// Which sequences have left K/V behind and are closed on every stage, as the coordinator would know it.
class LeftBehind {
 public:
  explicit LeftBehind(int stages) : stages_(stages) {}
  void Hear(const worker::StageOutputs& out, const LawRun& run) {
    for (const uint64_t sequence : out.closed) {
      if (++closed_[sequence] == stages_ && run.finished.at(sequence).retained)
        evictable_.push_back(sequence);
    }
  }
  // One of them, by `draw`; none where there is none.
  worker::EvictPrefixes TakeOne(uint64_t draw) {
    if (evictable_.empty()) return {};
    std::swap(evictable_[draw % evictable_.size()], evictable_.back());
    const uint64_t sequence = evictable_.back();
    evictable_.pop_back();
    return {{sequence}};
  }
  worker::EvictPrefixes TakeAll() { return {std::exchange(evictable_, {})}; }

 private:
  int stages_;
  std::map<uint64_t, int> closed_;
  std::vector<uint64_t> evictable_;
};

}  // namespace

void CheckNothingLeaked(worker::LocalPipeline* pipeline) {
  for (int rank = 0; rank < pipeline->stages(); ++rank) {
    const worker::Stage& stage = pipeline->runner(rank).stage();
    EXPECT_EQ(stage.pages_used(), 0) << "KV pages at stage " << rank;
    EXPECT_EQ(stage.slots_used(), 0) << "state slots at stage " << rank;
    EXPECT_EQ(stage.backlog_rows(), 0) << "fills at stage " << rank;
    EXPECT_EQ(stage.micro_batches(), 0) << "micro-batches at stage " << rank;
  }
}

std::unique_ptr<Executor> LawExecutor(std::unique_ptr<Executor> executor) {
  const char* const asked = std::getenv("EXEUNT_LAW_EXECUTOR");
  if (asked == nullptr) return executor;
  CHECK_MSG(std::string_view(asked) == "late", "EXEUNT_LAW_EXECUTOR is '{}', known is 'late'", asked);
  static std::atomic<uint64_t> seed{1};
  return std::make_unique<LateExecutor>(std::move(executor), seed++);
}

std::unique_ptr<worker::LocalPipeline> LawPipeline(std::shared_ptr<const ModelSource> source,
                                                   worker::LocalPipelineOptions options) {
  if (!options.wrap_executor) options.wrap_executor = LawExecutor;
  auto created = worker::LocalPipeline::Create(std::move(source), options, [](float) {});
  CHECK_MSG(created.has_value(), "{}", created.error().message);
  return std::move(created).value();
}

LawRun RunLaw(std::shared_ptr<const ModelSource> source, const worker::LocalPipelineOptions& options,
              std::vector<worker::SequenceSpec> requests, const Schedule& schedule) {
  const auto owned = LawPipeline(std::move(source), options);
  worker::LocalPipeline& pipeline = *owned;
  std::mt19937_64 rng(schedule.seed);
  std::uniform_real_distribution<double> uniform(0.0, 1.0);
  LawRun run;
  LeftBehind left(pipeline.stages());
  const size_t count = requests.size();
  size_t next = 0;
  for (int turn = 0; turn < 200000; ++turn) {
    std::vector<worker::StageEvent> events;
    worker::AdmitSequences admit;
    while (next < count && (!schedule.staggered || uniform(rng) < schedule.arrival_share))
      admit.specs.push_back(requests[next++]);
    if (!admit.specs.empty()) events.push_back(std::move(admit));
    if (next > 0 && uniform(rng) < schedule.cancel_share)
      events.push_back(worker::CancelSequences{{1 + rng() % next}});
    if (uniform(rng) < schedule.evict_share) events.push_back(left.TakeOne(rng()));
    worker::StageOutputs out;
    pipeline.Turn(std::move(events), &out);
    Collect(out, &run);
    left.Hear(out, run);
    run.peak_micro_batches = std::max(run.peak_micro_batches, pipeline.runner(0).stage().micro_batches());
    if (const Status health = out.Health(); !health.has_value()) {
      ADD_FAILURE() << health.error().message;
      return run;
    }
    if (next < count || !pipeline.Idle()) continue;
    worker::EvictPrefixes all = left.TakeAll();
    if (all.sequences.empty()) break;
    pipeline.Turn({std::move(all)}, &out);
  }
  EXPECT_TRUE(pipeline.Idle()) << "the pipeline did not come to rest";
  EXPECT_EQ(run.finished.size(), count);
  CheckNothingLeaked(&pipeline);
  for (int rank = 0; rank < pipeline.stages(); ++rank) {
    run.counters.push_back(pipeline.runner(rank).stage().counters());
  }
  return run;
}

}  // namespace exeunt
