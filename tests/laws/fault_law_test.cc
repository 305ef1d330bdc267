// Jobs that fail, memory that is not there and devices that are lost: the requests that are concerned end with an error,
// all others end as if nothing had happened, nothing leaks and nothing hangs. On oracles of several depths.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "backend/oracle/oracle_backend.h"
#include "base/check.h"
#include "base/error.h"
#include "costs/layer_split.h"
#include "kernels/kv_layout.h"
#include "tests/laws/law_harness.h"

namespace exeunt {
namespace {

constexpr int kVocabulary = 50;
constexpr int kTurns = 200000;

struct FaultRun {
  Generated generated;
  std::map<uint64_t, EndReason> finished;
  std::map<uint64_t, std::string> failed;
  std::optional<Error> lost;
};

// Requests, some of which share the first pages of an earlier one's prompt, retain theirs, are scored, or leave early.
std::vector<worker::SequenceSpec> Requests(uint64_t seed) {
  std::mt19937_64 rng(seed);
  auto requests = MakeRequests({.count = 30, .seed = seed, .max_prompt = 100, .max_tokens = 6}, kVocabulary);
  for (size_t i = 0; i < requests.size(); ++i) {
    worker::SequenceSpec& spec = requests[i];
    if (rng() % 2 == 0) spec.exit = ForcedExits({{6, 0.3F}, {15, 0.3F}});
    if (i > 0 && rng() % 2 == 0) {
      const worker::SequenceSpec& source = requests[rng() % i];
      const int shared =
          (std::min(source.prompt_tokens(), spec.prompt_tokens()) - 1) / kPageTokens * kPageTokens;
      if (shared > 0) {
        std::copy_n(source.prompt.begin(), shared, spec.prompt.begin());
        spec.prefix_of = source.sequence;
        spec.prefix_tokens = shared;
      }
    }
    if (rng() % 3 == 0) spec.retain_tokens = (spec.prompt_tokens() - 1) / kPageTokens * kPageTokens;
    if (rng() % 4 == 0 && spec.prefix_tokens + 1 < spec.prompt_tokens())
      spec.score_from = spec.prefix_tokens + 1;
  }
  return requests;
}

// What a coordinator does: it cancels what has failed, and evicts what is left behind when all stages have closed it.
FaultRun RunFaulty(const worker::LocalPipelineOptions& options,
                   const std::vector<worker::SequenceSpec>& requests, uint64_t seed) {
  static const auto source = RandomModel(TinyThirty(DType::kQ4_1));
  auto created = worker::LocalPipeline::Create(source, options, [](float) {});
  CHECK_MSG(created.has_value(), "{}", created.error().message);
  worker::LocalPipeline& pipeline = **created;
  std::mt19937_64 rng(seed);
  FaultRun run;
  std::map<uint64_t, int> closed;
  std::set<uint64_t> retained;
  worker::CancelSequences cancel;
  size_t next = 0;
  int turn = 0;
  for (; turn < kTurns; ++turn) {
    std::vector<worker::StageEvent> events;
    if (!cancel.sequences.empty()) events.push_back(std::exchange(cancel, {}));
    if (next < requests.size() && rng() % 3 == 0)
      events.push_back(worker::AdmitSequences{{requests[next++]}});
    worker::StageOutputs out;
    pipeline.Turn(std::move(events), &out);
    if (out.failed) {
      run.lost = out.failed;
      return run;
    }
    for (const worker::TokenOut& t : out.tokens) {
      EXPECT_FALSE(run.failed.contains(t.sequence) && options.split.size() == 1)
          << "a token after the failure";
      run.generated[t.sequence].push_back({t.token, t.exit_layer, 0});
    }
    for (const worker::SequenceFailedOut& f : out.failed_sequences) {
      run.failed.emplace(f.sequence, f.reason);
      cancel.sequences.push_back(f.sequence);
    }
    for (const worker::SequenceFinishedOut& f : out.finished) {
      EXPECT_TRUE(run.finished.emplace(f.sequence, f.reason).second) << "finished twice";
      if (f.retained) retained.insert(f.sequence);
    }
    for (const uint64_t sequence : out.closed) ++closed[sequence];
    if (next < requests.size() || !cancel.sequences.empty() || !pipeline.Idle()) continue;
    worker::EvictPrefixes evict;
    for (const uint64_t sequence : std::exchange(retained, {})) {
      EXPECT_EQ(closed[sequence], pipeline.stages());
      evict.sequences.push_back(sequence);
    }
    if (evict.sequences.empty()) break;
    pipeline.Turn({std::move(evict)}, &out);
  }
  EXPECT_LT(turn, kTurns) << "the pipeline does not come to rest";
  for (const worker::SequenceSpec& request : requests) {
    EXPECT_TRUE(run.finished.contains(request.sequence)) << request.sequence;
    EXPECT_EQ(closed[request.sequence], pipeline.stages()) << request.sequence;
  }
  CheckNothingLeaked(&pipeline);
  return run;
}

worker::LocalPipelineOptions Options(int stages, std::function<OracleOptions(const StageBuild&)> oracle) {
  worker::LocalPipelineOptions options;
  options.split = EvenSplit(30, stages);
  options.exit_layers = {6, 15};
  options.kv_pages = 400;
  options.prefill_chunk_tokens = 24;
  options.backend = MakeOracleBackend(std::move(oracle));
  return options;
}

OracleOptions Healthy(int depth) { return {.vocab_size = kVocabulary, .depth = depth}; }

// What is not concerned by a fault has all of its tokens, the others a prefix of them.
void ExpectOthersUnharmed(const FaultRun& got, const FaultRun& want) {
  for (const auto& [sequence, tokens] : want.generated) {
    const auto it = got.generated.find(sequence);
    const std::vector<GeneratedToken> has =
        it == got.generated.end() ? std::vector<GeneratedToken>{} : it->second;
    if (!got.failed.contains(sequence)) {
      EXPECT_EQ(has, tokens) << "sequence " << sequence;
    } else {
      ASSERT_LE(has.size(), tokens.size());
      EXPECT_TRUE(std::equal(has.begin(), has.end(), tokens.begin()))
          << "a wrong token of sequence " << sequence;
    }
  }
}

TEST(FaultLaw, JobsThatFailEndTheirRequestsAndNoOthers) {
  size_t failed = 0;
  size_t unharmed = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    const auto requests = Requests(seed);
    const FaultRun want = RunFaulty(Options(1, [](const StageBuild&) { return Healthy(1); }), requests, seed);
    EXPECT_TRUE(want.failed.empty());
    for (const int stages : {1, 3}) {
      const int depth = 1 + static_cast<int>(seed % 3);
      const auto faulty = [&](const StageBuild& build) {
        OracleOptions options = Healthy(depth);
        auto rng = std::make_shared<std::mt19937_64>(seed * 100 + static_cast<uint64_t>(build.layers.begin));
        options.fault = [rng](const Job&) -> Status {
          if ((*rng)() % 200 != 0) return OkStatus();
          return ResourceExhausted("injected: no memory for the job");
        };
        return options;
      };
      const FaultRun got = RunFaulty(Options(stages, faulty), requests, seed);
      EXPECT_FALSE(got.lost.has_value());
      ExpectOthersUnharmed(got, want);
      failed += got.failed.size();
      unharmed += requests.size() - got.failed.size();
      for (const auto& [sequence, reason] : got.failed) {
        EXPECT_TRUE(reason == "injected: no memory for the job" ||
                    reason.starts_with("it shares K/V with sequence "))
            << reason;
      }
    }
  }
  EXPECT_GT(failed, 20U);     // faults do happen,
  EXPECT_GT(unharmed, 200U);  // and not to everybody
}

TEST(FaultLaw, StatesWithoutMemoryEndTheirRequests) {
  const auto requests = Requests(3);
  worker::LocalPipelineOptions options = Options(2, [](const StageBuild&) {
    OracleOptions small = Healthy(2);
    small.max_slots = 0;
    return small;
  });
  const FaultRun got = RunFaulty(options, requests, 3);
  EXPECT_EQ(got.failed.size(), requests.size());
  for (const auto& [sequence, reason] : got.failed)
    EXPECT_NE(reason.find("reserved"), std::string::npos) << reason;
  EXPECT_TRUE(got.generated.empty());
}

TEST(FaultLaw, ALostDeviceEndsThePipeline) {
  const auto requests = Requests(4);
  int jobs = 0;
  const FaultRun got = RunFaulty(Options(2,
                                         [&](const StageBuild&) {
                                           OracleOptions options = Healthy(1);
                                           options.fault = [&jobs](const Job&) -> Status {
                                             if (++jobs < 40) return OkStatus();
                                             return Unavailable("the device is lost");
                                           };
                                           return options;
                                         }),
                                 requests, 4);
  ASSERT_TRUE(got.lost.has_value());
  EXPECT_EQ(got.lost->message, "the device is lost");
}

}  // namespace
}  // namespace exeunt
