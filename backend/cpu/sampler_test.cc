#include "backend/cpu/sampler.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <string>

#include "base/rng.h"

namespace exeunt {
namespace {

const cpu::Ops& ops() {
  static const cpu::Ops& fastest = cpu::OpsFor(cpu::DefaultIsa());  // asking the CPU is slow
  return fastest;
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();

VocabStats StatsOf(const cpu::Ops& ops, const std::vector<float>& logits) {
  std::vector<VocabStats> chunks;
  const int n = static_cast<int>(logits.size());
  for (int begin = 0; begin < n; begin += kVocabChunk) {
    chunks.push_back(ops.vocab_stats(logits.data(), begin, std::min(n, begin + kVocabChunk)));
  }
  return ops.merge_vocab_stats(chunks.data(), static_cast<int>(chunks.size()));
}

SampledToken Draw(const std::vector<float>& logits, const SamplingParams& params, uint32_t position = 0,
                  const cpu::Ops& on = ops()) {
  return Sample(on, logits.data(), static_cast<int>(logits.size()), StatsOf(on, logits), params, position);
}

// Probabilities .4, .3, .2, .1 for ids 2, 0, 3, 1.
const std::vector<float> kLogits = {std::log(0.3F), std::log(0.1F), std::log(0.4F), std::log(0.2F)};

std::map<int32_t, double> Shares(const SamplingParams& params) {
  std::map<int32_t, double> shares;
  constexpr uint32_t kDraws = 20000;
  for (uint32_t p = 0; p < kDraws; ++p) shares[Draw(kLogits, params, p).token] += 1.0 / kDraws;
  return shares;
}

constexpr double kTolerance = 0.02;  // over five standard deviations of a share of 20 000 draws

TEST(SamplerTest, GreedyTakesTheLargestAndTheLowestIdOnATie) {
  EXPECT_EQ(Draw(kLogits, {.temperature = 0.0F}).token, 2);
  EXPECT_EQ(Draw({1.0F, 5.0F, 5.0F}, {.temperature = 0.0F}).token, 1);
  EXPECT_EQ(Draw(kLogits, {.top_k = 1, .seed = 9}).token, 2);
}

TEST(SamplerTest, SharesFollowTheDistributionAtAnyTemperature) {
  auto shares = Shares({.seed = 1});
  EXPECT_NEAR(shares[2], 0.4, kTolerance);
  EXPECT_NEAR(shares[1], 0.1, kTolerance);
  shares = Shares({.temperature = 0.5F, .seed = 1});  // squares: 16 : 9 : 4 : 1
  EXPECT_NEAR(shares[2], 16.0 / 30, kTolerance);
  EXPECT_NEAR(shares[1], 1.0 / 30, kTolerance);
}

// A draw written down once more, with sums in whatever order `order` has the tokens.
int32_t DrawInOrder(const std::vector<float>& logits, const SamplingParams& params, uint32_t position,
                    const std::vector<size_t>& order) {
  const VocabStats stats = StatsOf(ops(), logits);
  std::vector<float> weights(logits.size());
  ops().exp_scaled(logits.data(), static_cast<int>(logits.size()), stats.top1, 1.0F / params.temperature,
                   weights.data());
  uint64_t total = 0;
  for (const size_t i : order) total += FixedWeight(weights[i]);
  const double u = double{UniformAt(params.seed, params.choice, position, RngPurpose::kSample)} + 0x1p-25;
  const auto target = static_cast<uint64_t>(static_cast<long double>(total) * static_cast<long double>(u));
  for (size_t token = 0; token < logits.size(); ++token) {
    uint64_t up_to = 0;
    for (const size_t i : order) up_to += i <= token ? FixedWeight(weights[i]) : 0;
    if (up_to > target) return static_cast<int32_t>(token);
  }
  return -1;
}

TEST(SamplerTest, ADrawIsTheSameForAnyOrderOfSummation) {
  std::mt19937_64 rng(5);
  std::normal_distribution<float> normal(0.0F, 4.0F);
  std::vector<float> logits(1300);  // of three chunks, the last one in part
  std::set<int32_t> seen;
  for (uint32_t position = 0; position < 40; ++position) {
    for (float& x : logits) x = normal(rng);
    const SamplingParams params{.temperature = 1.7F, .seed = 21};
    const int32_t drawn = Draw(logits, params, position).token;
    seen.insert(drawn);
    std::vector<size_t> order(logits.size());
    std::iota(order.begin(), order.end(), size_t{0});
    for (int shuffles = 0; shuffles < 3; ++shuffles) {
      EXPECT_EQ(DrawInOrder(logits, params, position, order), drawn) << position;
      std::shuffle(order.begin(), order.end(), rng);
    }
  }
  EXPECT_GT(seen.size(), 20U);  // the draws vary
}

TEST(SamplerTest, WeightsRoundToTheNearestUnit) {
  EXPECT_EQ(FixedWeight(1.0F), uint64_t{1} << 32);
  EXPECT_EQ(FixedWeight(0x1p-32F), 1U);
  EXPECT_EQ(FixedWeight(0x1.8p-33F), 1U);
  EXPECT_EQ(FixedWeight(0x1p-34F), 0U);
  EXPECT_EQ(FixedWeight(std::numeric_limits<float>::quiet_NaN()), 0U);
}

TEST(SamplerTest, CutsKeepTheLikeliest) {
  auto shares = Shares({.top_k = 2, .seed = 2});
  EXPECT_EQ(shares.size(), 2U);
  EXPECT_NEAR(shares[2], 4.0 / 7, kTolerance);
  shares = Shares({.top_p = 0.65F, .seed = 2});  // .4 + .3 reach it
  EXPECT_EQ(shares.size(), 2U);
  shares = Shares({.top_p = 0.75F, .seed = 2});
  EXPECT_EQ(shares.size(), 3U);
  shares = Shares({.min_p = 0.45F, .seed = 2});  // .45 * .4 = .18: id 1 is cut
  EXPECT_EQ(shares.size(), 3U);
  EXPECT_FALSE(shares.contains(1));
  EXPECT_EQ(Shares({.top_p = 0.01F, .seed = 3}).size(), 1U);
  EXPECT_EQ(Draw({4.0F, 3.9F, 3.0F}, {.top_p = 0.0F, .seed = 3}).token, 0);
}

TEST(SamplerTest, ADrawIsAFunctionOfSeedChoiceAndPosition) {
  int different = 0;
  for (uint32_t p = 0; p < 200; ++p) {
    const SamplingParams params{.seed = 5, .choice = 1};
    EXPECT_EQ(Draw(kLogits, params, p).token, Draw(kLogits, params, p).token);
    different += Draw(kLogits, params, p).token != Draw(kLogits, {.seed = 5, .choice = 2}, p).token;
    different += Draw(kLogits, params, p).token != Draw(kLogits, {.seed = 6, .choice = 1}, p).token;
  }
  EXPECT_GT(different, 100);
}

TEST(SamplerTest, LogprobsAreTheModelsOwn) {
  const SampledToken t = Draw(kLogits, {.temperature = 0.0F, .n_logprobs = 2});
  EXPECT_NEAR(t.logprob, std::log(0.4), 1e-6);
  ASSERT_EQ(t.top.size(), 2U);
  EXPECT_EQ(t.top[1].first, 0);
  EXPECT_NEAR(t.top[1].second, std::log(0.3), 1e-6);
  EXPECT_TRUE(Draw(kLogits, {.temperature = 0.0F, .n_logprobs = 0}).top.empty());
}

// What Sample does, without its shortcuts: sorts the whole vocabulary, cuts, draws.
struct Weighted {
  int32_t token;
  float logit;
  float weight;
};

std::vector<Weighted> NaiveCandidates(const std::vector<float>& logits, const SamplingParams& params) {
  const VocabStats stats = StatsOf(ops(), logits);
  std::vector<float> weights(logits.size());
  ops().exp_scaled(logits.data(), static_cast<int>(logits.size()), stats.top1, 1.0F / params.temperature,
                   weights.data());
  std::vector<Weighted> all;
  for (size_t i = 0; i < logits.size(); ++i) all.push_back({static_cast<int32_t>(i), logits[i], weights[i]});
  if (params.top_k > 0 && static_cast<size_t>(params.top_k) < all.size()) {
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.logit > b.logit; });
    all.resize(static_cast<size_t>(params.top_k));
  }
  const auto by_token = [](const auto& a, const auto& b) { return a.token < b.token; };
  std::sort(all.begin(), all.end(), by_token);
  if (params.top_p < 1.0F) {
    double total = 0;
    for (const Weighted& w : all) total += double{w.weight};
    std::stable_sort(all.begin(), all.end(),
                     [](const auto& a, const auto& b) { return a.weight > b.weight; });
    double mass = 0;
    size_t kept = 0;
    while (kept < all.size() && mass < double{params.top_p} * total) mass += double{all[kept++].weight};
    all.resize(kept);
  }
  std::erase_if(all, [&](const Weighted& w) { return w.weight < params.min_p && w.token != stats.argmax; });
  std::sort(all.begin(), all.end(), by_token);
  return all;
}

int32_t NaiveDraw(const std::vector<Weighted>& candidates, const SamplingParams& params, uint32_t position) {
  double total = 0;
  for (const Weighted& w : candidates) total += double{w.weight};
  const double u =
      double{UniformAt(params.seed, params.choice, position, RngPurpose::kSample)} + std::ldexp(1.0, -25);
  double mass = 0;
  for (const Weighted& w : candidates) {
    mass += double{w.weight};
    if (mass > u * total) return w.token;
  }
  return -1;
}

std::vector<float> Gaussian(int n, float deviation, uint32_t seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  std::vector<float> logits(static_cast<size_t>(n));
  for (float& x : logits) x = deviation * normal(rng);
  return logits;
}

// Rows of each kind that a shortcut could get wrong.
std::map<std::string, std::vector<float>> RowsOf(int n) {
  std::map<std::string, std::vector<float>> rows = {
      {"peaked", Gaussian(n, 3.0F, 1)},    {"flat", Gaussian(n, 0.3F, 2)},
      {"ties", Gaussian(n, 2.0F, 3)},      {"dominated", Gaussian(n, 1.0F, 4)},
      {"ascending", Gaussian(n, 3.0F, 5)}, {"banned", Gaussian(n, 2.0F, 6)},
      {"large", Gaussian(n, 3.0F, 7)},     {"equal", Gaussian(n, 0.0F, 8)}};
  for (float& x : rows["ties"]) x = std::round(x);
  rows["dominated"][rows["dominated"].size() / 2] = 200.0F;
  std::sort(rows["ascending"].begin(), rows["ascending"].end());
  for (size_t i = 1; i < rows["banned"].size(); i += 2) rows["banned"][i] = -kInfinity;
  for (float& x : rows["large"]) x += 3000.0F;
  return rows;
}

template <typename T>
T OneOf(std::initializer_list<T> values, std::mt19937* rng) {
  return values.begin()[(*rng)() % values.size()];
}

SamplingParams RandomParams(int n, std::mt19937* rng) {
  return {.temperature = OneOf({1e-40F, 1e-6F, 0.05F, 0.7F, 1.0F, 1.0F, 2.0F, 1e4F, 1e38F}, rng),
          .top_p = OneOf({1.0F, 1.0F, 0.9999999F, 0.999F, 0.9F, 0.5F, 0.1F, 1e-6F}, rng),
          .top_k = OneOf({0, 0, 1, 2, 5, 50, n / 8, n / 2, n - 1, n, n + 1, 100000}, rng),
          .min_p = OneOf({0.0F, 0.0F, 1e-6F, 0.01F, 0.05F, 0.5F, 1.0F}, rng),
          .seed = (*rng)()};
}

std::string Describe(const SamplingParams& p) {
  return fmt::format("temperature {} top_p {} top_k {} min_p {} seed {}", p.temperature, p.top_p, p.top_k,
                     p.min_p, p.seed);
}

TEST(SamplerTest, DrawsWhatTheNaiveSamplerDraws) {
  std::mt19937 rng(1);
  std::map<int, std::set<int32_t>> drawn;
  std::set<size_t> sizes;
  for (const int n : {1, 2, 17, 511, 512, 513, 1300, 4099}) {
    for (const auto& [kind, logits] : RowsOf(n)) {
      for (int i = 0; i < 150; ++i) {
        SamplingParams params = RandomParams(n, &rng);
        SCOPED_TRACE(fmt::format("{} row of {}: {}", kind, n, Describe(params)));
        const int32_t token = Draw(logits, params, 7).token;
        params.temperature = std::max(params.temperature, 1e-38F);  // the naive one divides by it
        const std::vector<Weighted> candidates = NaiveCandidates(logits, params);
        ASSERT_EQ(token, NaiveDraw(candidates, params, 7));
        ASSERT_EQ(Draw(logits, params, 8).token, NaiveDraw(candidates, params, 8));
        drawn[n].insert(token);
        sizes.insert(candidates.size());
      }
    }
  }
  EXPECT_GT(drawn[4099].size(), 300U);
  EXPECT_GT(sizes.size(), 200U);  // the cuts really differ
}

TEST(SamplerTest, EveryInstructionSetDrawsTheSame) {
  std::mt19937 rng(2);
  for (const auto& [kind, logits] : RowsOf(1300)) {
    for (int i = 0; i < 60; ++i) {
      SamplingParams params = RandomParams(1300, &rng);
      params.n_logprobs = 5;
      const SampledToken first = Draw(logits, params, 3, cpu::OpsFor(cpu::Isa::kScalar));
      for (const cpu::Isa isa : cpu::SupportedIsas()) {
        const SampledToken token = Draw(logits, params, 3, cpu::OpsFor(isa));
        ASSERT_EQ(token.token, first.token) << kind << " " << cpu::IsaName(isa) << " " << Describe(params);
        ASSERT_EQ(token.top, first.top) << kind << " " << cpu::IsaName(isa);
      }
    }
  }
}

// Pearson's statistic has mean k and variance about 2 k for k degrees of freedom: five deviations above it.
void ExpectDrawnAs(const std::vector<float>& logits, const SamplingParams& params) {
  SCOPED_TRACE(Describe(params));
  const std::vector<Weighted> candidates = NaiveCandidates(logits, params);
  double total = 0;
  for (const Weighted& w : candidates) total += double{w.weight};
  std::map<int32_t, double> counts;
  constexpr uint32_t kDraws = 60000;
  const VocabStats stats = StatsOf(ops(), logits);
  const int n = static_cast<int>(logits.size());
  for (uint32_t p = 0; p < kDraws; ++p) {
    counts[Sample(ops(), logits.data(), n, stats, params, p).token] += 1;
  }
  double statistic = 0;
  double drawn = 0;
  for (const Weighted& w : candidates) {
    const double expected = double{w.weight} / total * kDraws;
    ASSERT_GT(expected, 5.0) << "the test needs likelier tokens";
    statistic += (counts[w.token] - expected) * (counts[w.token] - expected) / expected;
    drawn += counts[w.token];
  }
  EXPECT_EQ(drawn, kDraws) << "a token was drawn that the cuts leave out";
  const double freedom = static_cast<double>(candidates.size()) - 1;
  EXPECT_LE(statistic, freedom + 5 * std::sqrt(2 * std::max(freedom, 1.0)));
}

TEST(SamplerTest, DrawsFollowTheDistributionThatTheCutsLeave) {
  const std::vector<float> small = Gaussian(12, 1.0F, 11);
  for (const SamplingParams& params :
       {SamplingParams{.seed = 1}, SamplingParams{.temperature = 0.6F, .seed = 2},
        SamplingParams{.top_k = 5, .seed = 3}, SamplingParams{.top_p = 0.8F, .seed = 4},
        SamplingParams{.min_p = 0.3F, .seed = 5},
        SamplingParams{.temperature = 2.0F, .top_p = 0.9F, .top_k = 9, .min_p = 0.2F, .seed = 6}}) {
    ExpectDrawnAs(small, params);
  }
  // Over more than one chunk of the vocabulary.
  const std::vector<float> wide = Gaussian(1300, 0.5F, 12);
  ExpectDrawnAs(wide, {.seed = 7});
  ExpectDrawnAs(wide, {.top_p = 0.7F, .seed = 8});
}

TEST(SamplerTest, AnUnlikelyFirstTokenIsNotDrawnByTheSmallestNumber) {
  constexpr uint32_t kPosition = 6983761;
  ASSERT_EQ(UniformAt(1, 0, kPosition, RngPurpose::kSample), 0.0F);
  std::vector<float> logits(600, 0.0F);
  logits[0] = -kInfinity;
  EXPECT_EQ(Draw(logits, {.seed = 1}, kPosition).token, 1);
  EXPECT_EQ(Draw(logits, {.top_k = 599, .seed = 1}, kPosition).token, 1);
  EXPECT_EQ(Draw(logits, {.top_p = 0.9999F, .seed = 1}, kPosition).token, 1);
}

TEST(SamplerTest, LogitsThatAreNoNumbersGiveATokenOfTheVocabulary) {
  std::mt19937 rng(3);
  for (const float bad : {kInfinity, -kInfinity, std::nanf("")}) {
    for (const size_t step : {1U, 3U, 700U}) {
      std::vector<float> logits = Gaussian(700, 1.0F, 13);
      for (size_t i = step / 2; i < logits.size(); i += step) logits[i] = bad;
      for (int i = 0; i < 100; ++i) {
        SamplingParams params = RandomParams(700, &rng);
        params.n_logprobs = 3;
        const SampledToken token = Draw(logits, params);
        ASSERT_GE(token.token, 0) << Describe(params);
        ASSERT_LT(token.token, 700) << Describe(params);
        const VocabStats stats = StatsOf(ops(), logits);
        if (!std::isfinite(stats.top1)) {
          ASSERT_EQ(token.token, stats.argmax) << Describe(params);
        }
      }
    }
  }
}

TEST(SamplerTest, TopLogprobsAreTheLargestInOrder) {
  for (const int n : {1, 7, 300, 1300, 4099}) {
    for (const auto& [kind, logits] : RowsOf(n)) {
      for (const int count : {1, 2, kMaxLogprobs, 100}) {
        std::vector<Weighted> all = NaiveCandidates(logits, {});
        std::stable_sort(all.begin(), all.end(),
                         [](const auto& a, const auto& b) { return a.logit > b.logit; });
        const SampledToken drawn = Draw(logits, {.temperature = 0.0F, .n_logprobs = count});
        ASSERT_EQ(drawn.top.size(), static_cast<size_t>(std::min(n, count)));
        EXPECT_EQ(drawn.top[0], std::pair(drawn.token, drawn.logprob));
        const VocabStats stats = StatsOf(ops(), logits);
        for (size_t i = 0; i < drawn.top.size(); ++i) {
          ASSERT_EQ(drawn.top[i].first, all[i].token) << kind << " row of " << n << ", rank " << i;
          if (std::isinf(all[i].logit)) continue;
          // As floats: half an ulp of the result, and log's own error.
          const double expected = double{all[i].logit} - double{stats.top1} - std::log(double{stats.sum_exp});
          ASSERT_NEAR(drawn.top[i].second, expected, 1e-6 * std::max(1.0, std::abs(expected)));
        }
      }
    }
  }
}

}  // namespace
}  // namespace exeunt
