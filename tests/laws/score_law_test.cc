// A scored prompt is a generation in mode `off`, teacher forced: the same likeliest tokens and the same
// log-probabilities, bit for bit, whatever the stages, the chunks and the request's exits.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/check.h"
#include "costs/layer_split.h"
#include "tests/laws/law_harness.h"

namespace exeunt {
namespace {

constexpr int kTokens = 24;

worker::StageOutputs Outputs(int stages, int chunk, const std::vector<worker::SequenceSpec>& requests) {
  worker::LocalPipelineOptions options;
  options.split = EvenSplit(30, stages);
  options.exit_layers = {6, 15, 20};
  options.prefill_chunk_tokens = chunk;
  const auto pipeline = LawPipeline(RandomModel(TinyThirty(DType::kQ4_1)), options);
  worker::StageOutputs out;
  pipeline->Turn({worker::AdmitSequences{requests}}, &out);
  pipeline->RunUntilIdle(&out);
  CHECK(!out.failed);
  for (int rank = 0; rank < stages; ++rank) {
    EXPECT_EQ(pipeline->runner(rank).stage().pages_used(), 0);
    EXPECT_EQ(pipeline->runner(rank).stage().slots_used(), 0);
  }
  std::sort(out.tokens.begin(), out.tokens.end(), [](const worker::TokenOut& a, const worker::TokenOut& b) {
    return std::pair(a.sequence, a.position) < std::pair(b.sequence, b.position);
  });
  return out;
}

struct Said {
  int32_t likeliest = -1;
  float logprob = 0.0F;  // of the sequence's own token
  friend bool operator==(const Said&, const Said&) = default;
};
using SaidAt = std::map<std::pair<uint64_t, int32_t>, Said>;  // by sequence and position

class ScoreLaw : public testing::Test {
 protected:
  // Two requests with sampled answers, so that few tokens are the likeliest; then the same as prompts.
  ScoreLaw() {
    std::vector<worker::SequenceSpec> requests = MakeRequests({.count = 2, .seed = 21, .sampled = true}, 300);
    for (worker::SequenceSpec& spec : requests) {
      spec.max_tokens = kTokens;
      spec.sampling.n_logprobs = 1;
      scored_.push_back(spec);
      scored_.back().max_tokens = 1;
      scored_.back().score_from = spec.prompt_tokens();
    }
    const worker::StageOutputs generated = Outputs(1, 256, requests);
    for (const worker::TokenOut& t : generated.tokens) {
      want_[{t.sequence, t.position}] = {t.top.at(0).first, t.logprob};
      likeliest_ += t.top[0].first == t.token ? 1 : 0;
      scored_[t.sequence - 1].prompt.push_back(t.token);
    }
  }
  static SaidAt Scores(const worker::StageOutputs& out) {
    SaidAt said;
    for (const worker::PromptScoreOut& s : out.scores) {
      EXPECT_TRUE(said.emplace(std::pair(s.sequence, s.position), Said{s.token, s.logprob}).second);
    }
    return said;
  }

  std::vector<worker::SequenceSpec> scored_;
  SaidAt want_;
  int likeliest_ = 0;
};

TEST_F(ScoreLaw, ScoresAreWhatTheFullModelSaidWhenItGenerated) {
  ASSERT_EQ(want_.size(), 2U * kTokens);
  EXPECT_LT(likeliest_, kTokens);
  for (const int stages : {1, 2, 3}) {
    for (const int chunk : {1, 7, 256}) {
      EXPECT_EQ(Scores(Outputs(stages, chunk, scored_)), want_) << stages << " stages, chunks of " << chunk;
    }
  }
  for (worker::SequenceSpec& spec : scored_) spec.exit = ForcedExits({{6, 1.0F}});
  const worker::StageOutputs early = Outputs(2, 7, scored_);
  EXPECT_EQ(Scores(early), want_);
  ASSERT_EQ(early.tokens.size(), 2U);
  EXPECT_EQ(early.tokens[0].exit_layer, 6);
}

TEST_F(ScoreLaw, OnlyWhatIsAskedForIsScoredAndTheAnswerStaysWhatItIs) {
  const worker::StageOutputs all = Outputs(2, 7, scored_);
  for (worker::SequenceSpec& spec : scored_) spec.score_from = spec.prompt_tokens() - 2;
  const worker::StageOutputs two = Outputs(2, 7, scored_);
  EXPECT_EQ(two.scores.size(), 4U);
  for (worker::SequenceSpec& spec : scored_) spec.score_from = 0;
  const worker::StageOutputs none = Outputs(2, 7, scored_);
  EXPECT_TRUE(none.scores.empty());
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(none.tokens.at(i).token, all.tokens.at(i).token);
    EXPECT_EQ(none.tokens.at(i).logprob, two.tokens.at(i).logprob);
  }
}

// Scored rows run on when their sequence finishes and end with a cancel: RunLaw sees what either leaves
// behind.
TEST_F(ScoreLaw, AFinishOrACancelAtAnyMomentLeavesNothingBehind) {
  RequestMix mix{.count = 12, .seed = 5, .max_tokens = 3, .exit = ForcedExits({{6, 0.7F}})};
  std::vector<worker::SequenceSpec> requests = MakeRequests(mix, 300);
  for (worker::SequenceSpec& spec : requests) spec.score_from = spec.prompt_tokens() / 2;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    for (const int stages : {1, 2, 3}) {
      worker::LocalPipelineOptions options;
      options.split = EvenSplit(30, stages);
      options.exit_layers = {6};
      options.prefill_chunk_tokens = 5;
      const LawRun run = RunLaw(RandomModel(TinyThirty(DType::kQ4_1)), options, requests, {true, seed, 0.2});
      int cancelled = 0;
      for (const auto& [id, finish] : run.finished)
        cancelled += finish.reason == EndReason::kCancelled ? 1 : 0;
      EXPECT_GT(cancelled, 0);
      EXPECT_LT(cancelled, 12);
    }
  }
}

}  // namespace
}  // namespace exeunt
