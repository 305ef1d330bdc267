// Penalties, biases, bans and min_tokens under the pipeline's laws: the stage that draws a token, whichever
// it is, knows the same history, so that the tokens are the same on any split, schedule, thread count and
// batch.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "costs/layer_split.h"
#include "tests/laws/law_harness.h"

namespace exeunt {
namespace {

const std::vector<int> kExits = {6, 15, 20};

worker::LocalPipelineOptions Options(int stages) {
  worker::LocalPipelineOptions options;
  options.split = EvenSplit(30, stages);
  options.exit_layers = kExits;
  options.kv_pages = 256;
  return options;
}

// Adjusted and plain requests beside each other, so that a batch holds both.
std::vector<worker::SequenceSpec> Requests(bool sampled, bool exits) {
  RequestMix mix{.count = 8, .seed = 11, .max_prompt = 20, .max_tokens = 14, .sampled = sampled};
  if (exits) mix.exit = ForcedExits({{6, 0.3F}, {15, 0.2F}, {20, 0.2F}});
  auto requests = MakeRequests(mix, 300);
  for (size_t i = 0; i < requests.size(); ++i) {
    worker::SequenceSpec& spec = requests[i];
    spec.max_tokens = 14;
    SamplingParams& sampling = spec.sampling;
    if (i % 4 == 0) sampling.frequency_penalty = 1.5F;
    if (i % 4 == 0) sampling.presence_penalty = 0.5F;
    if (i % 4 == 1) sampling.repetition_penalty = 1.8F;
    if (i % 4 == 2) sampling.logit_bias = {{7, 3.0F}, {8, -100.0F}};
    if (i % 4 == 2) sampling.presence_penalty = 2.0F;
    if (i % 4 == 3) sampling.allowed_tokens = {3, 7, 20, 21, 22, 100, 150, 299};
    if (i == 3) sampling.bad_words = {{7}, {20, 21}, {21, 22, 20}, {3, 3}};
  }
  return requests;
}

TEST(PenaltyLaw, AnySplitScheduleThreadCountAndBatchGiveTheSameTokens) {
  const auto model = RandomModel(TinyThirty(DType::kQ4_1));
  for (const bool sampled : {false, true}) {
    for (const bool exits : {false, true}) {
      const auto requests = Requests(sampled, exits);
      const LawRun want = RunLaw(model, Options(1), requests);
      EXPECT_EQ(RunLaw(model, Options(2), requests).generated, want.generated);
      EXPECT_EQ(RunLaw(model, Options(5), requests, {.staggered = true, .seed = 4}).generated,
                want.generated);
      worker::LocalPipelineOptions options = Options(3);
      options.eager_forwarding = true;
      options.prefill_chunk_tokens = 3;
      EXPECT_EQ(RunLaw(model, options, requests).generated, want.generated);
      options.threads = sampled && exits ? 2 : 1;
      options.max_batch_rows = sampled ? 4 : 1;
      EXPECT_EQ(RunLaw(model, options, requests).generated, want.generated);
    }
  }
}

size_t Repeats(const std::vector<GeneratedToken>& tokens) {
  std::set<int32_t> distinct;
  for (const auto& t : tokens) distinct.insert(t.token);
  return tokens.size() - distinct.size();
}

// The history that the stages see is the one that came out: with a presence penalty that no logit survives,
// no token comes twice, although tokens leave at every exit; a history that missed some would repeat them.
TEST(PenaltyLaw, EveryTokenOfTheAnswerIsInTheHistoryWhereverItLeft) {
  const auto model = RandomModel(TinyThirty(DType::kQ4_1));
  auto requests = Requests(false, true);
  for (worker::SequenceSpec& spec : requests) {
    spec.max_tokens = 40;
    spec.sampling = {.temperature = 0.0F, .seed = spec.sampling.seed};
  }
  size_t plain = 0;
  for (const auto& [id, tokens] : RunLaw(model, Options(3), requests).generated) plain += Repeats(tokens);
  EXPECT_GT(plain, 0U);
  for (worker::SequenceSpec& spec : requests) spec.sampling.presence_penalty = 1000.0F;
  std::set<int> layers;
  for (const auto& [id, tokens] : RunLaw(model, Options(3), requests).generated) {
    EXPECT_EQ(Repeats(tokens), 0U) << "sequence " << id;
    for (const auto& t : tokens) layers.insert(t.exit_layer);
  }
  EXPECT_EQ(layers, (std::set<int>{6, 15, 20, 30}));
}

// Of a few tokens, so that without bad words their sequences come again and again.
TEST(PenaltyLaw, OnlyAllowedTokensComeAndNoBadWordWhereverTheyLeft) {
  const auto model = RandomModel(TinyThirty(DType::kQ4_1));
  const std::vector<int32_t> allowed = {5, 6, 7};
  const std::vector<std::vector<int32_t>> words = {{5, 6}, {6, 7, 7}, {7, 5, 5}};
  const auto count = [&](const std::vector<GeneratedToken>& tokens, const std::vector<int32_t>& word) {
    size_t found = 0;
    for (size_t i = 0; i + word.size() <= tokens.size(); ++i) {
      found += std::equal(word.begin(), word.end(), tokens.begin() + static_cast<std::ptrdiff_t>(i),
                          [](int32_t a, const GeneratedToken& b) { return a == b.token; });
    }
    return found;
  };
  auto requests = Requests(true, true);
  for (worker::SequenceSpec& spec : requests) {
    spec.max_tokens = 40;
    spec.sampling = {.temperature = 2.0F, .seed = spec.sampling.seed, .allowed_tokens = allowed};
  }
  std::vector<size_t> plain(words.size());
  for (const auto& [id, tokens] : RunLaw(model, Options(3), requests).generated) {
    for (size_t w = 0; w < words.size(); ++w) plain[w] += count(tokens, words[w]);
  }
  for (const size_t found : plain) EXPECT_GT(found, 0U);
  for (worker::SequenceSpec& spec : requests) spec.sampling.bad_words = words;
  const LawRun run = RunLaw(model, Options(3), requests);
  EXPECT_EQ(RunLaw(model, Options(1), requests).generated, run.generated);
  std::set<int> layers;
  for (const auto& [id, tokens] : run.generated) {
    for (const auto& word : words) EXPECT_EQ(count(tokens, word), 0U) << "sequence " << id;
    for (const auto& t : tokens) {
      layers.insert(t.exit_layer);
      EXPECT_NE(std::find(allowed.begin(), allowed.end(), t.token), allowed.end()) << t.token;
    }
  }
  EXPECT_EQ(layers, (std::set<int>{6, 15, 20, 30}));
}

TEST(PenaltyLaw, MinTokensHoldsEndTokensBackAndChangesNothingElse) {
  const auto model = RandomModel(TinyThirty(DType::kQ4_1));
  auto requests = Requests(false, true);
  const LawRun plain = RunLaw(model, Options(3), requests);
  for (worker::SequenceSpec& spec : requests) spec.end_tokens = {plain.generated.at(spec.sequence)[4].token};
  const LawRun ended = RunLaw(model, Options(2), requests);
  for (worker::SequenceSpec& spec : requests) spec.sampling.min_tokens = 12;
  const LawRun held = RunLaw(model, Options(2), requests);
  EXPECT_EQ(RunLaw(model, Options(3), requests).generated, held.generated);
  for (const worker::SequenceSpec& spec : requests) {
    const auto& tokens = held.generated.at(spec.sequence);
    EXPECT_LE(ended.generated.at(spec.sequence).size(), 5U);
    ASSERT_GE(tokens.size(), 12U);
    for (size_t i = 0; i < 12; ++i) EXPECT_NE(tokens[i].token, spec.end_tokens[0]);
    const auto before = ended.generated.at(spec.sequence).size() - 1;
    EXPECT_TRUE(std::equal(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(before),
                           plain.generated.at(spec.sequence).begin()));
  }
}

}  // namespace
}  // namespace exeunt
