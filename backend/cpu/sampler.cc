#include "backend/cpu/sampler.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>

#include "backend/cpu/logit_adjustment.h"
#include "base/rng.h"

namespace exeunt {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr double kFixedOne = 0x1p32;  // a weight of 1 in fixed point

// Returns a weight in [0, 1] as the nearest whole number of 2^-32, in a double. Adding 2^52 rounds it.
double Whole(float weight) { return (double{weight} * kFixedOne + 0x1p52) - 0x1p52; }

// One row and its weights. A token's weight is exp((logit - top1) * scale), so that the likeliest token has
// 1.
struct Row {
  const cpu::Ops& ops;
  const float* logits;  // [n]
  int n;
  const VocabStats& stats;
  float scale;  // 1 / temperature, finite

  void Weigh(const float* x, int count, float* weights) const {
    ops.exp_scaled(x, count, stats.top1, scale, weights);
  }
  // Returns a logit that every token of at least `weight` reaches. The margin covers the rounding of this
  // function and of exp_scaled's argument. The latter is below 2e-5 if the weight is not flushed.
  float LogitOf(double weight) const {
    if (weight <= 0) return -kInfinity;
    const double logit = double{stats.top1} + (std::log(weight) - 1e-4) / double{scale};
    const double in_range = std::max(logit, double{std::numeric_limits<float>::lowest()});
    return std::min(stats.top1, std::nextafter(static_cast<float>(in_range), -kInfinity));
  }
};

// Tokens that may be drawn, ascending. Buffers keep their size from row to row. `count` is the part in use.
struct Candidates {
  std::vector<int32_t> tokens;  // [count]
  std::vector<float> x;         // [count]: logits, later weights
  int count = 0;

  template <typename Predicate>
  void Keep(Predicate keep) {  // keep(token, x)
    int kept = 0;
    for (int i = 0; i < count; ++i) {
      const auto [token, value] = std::pair(tokens[Index(i)], x[Index(i)]);
      tokens[Index(kept)] = token;
      x[Index(kept)] = value;
      kept += keep(token, value) ? 1 : 0;
    }
    count = kept;
  }
  static size_t Index(int i) { return static_cast<size_t>(i); }
};

// The buffers of a thread. Without them each row would allocate as much as it has logits. They hold no state.
struct Scratch {
  Candidates candidates;
  std::vector<float> order;        // values that nth_element may reorder
  std::vector<double> chunk_sums;  // [ceil(n / kVocabChunk)]: whole numbers
  std::vector<float> adjusted;     // [n]
};
Scratch& ThreadScratch() {
  thread_local Scratch scratch;
  return scratch;
}

// Returns a logit that at least k tokens reach, and few more. It is the k-th largest of the maxima of many
// interleaved parts.
float BoundOfTopK(const float* logits, int n, int k, std::vector<float>* maxima) {
  const size_t parts = (4 * static_cast<size_t>(k) + 63) / 64 * 64;
  const auto size = static_cast<size_t>(n);
  if (parts > size / 2) return -kInfinity;
  maxima->assign(parts, -kInfinity);
  float* const m = maxima->data();
  for (size_t begin = 0; begin < size; begin += parts) {
    const float* x = logits + begin;
    const size_t count = std::min(parts, size - begin);
    for (size_t i = 0; i < count; ++i) m[i] = x[i] > m[i] ? x[i] : m[i];  // never a NaN
  }
  const auto kth = maxima->begin() + (k - 1);
  std::nth_element(maxima->begin(), kth, maxima->end(), std::greater<>());
  return *kth;
}

// Collects the tokens whose logits reach the bound. Most blocks have none and are skipped in vectors.
void Collect(const float* logits, int n, float bound, Candidates* c) {
  constexpr int kBlock = 64;
  c->tokens.resize(std::max(c->tokens.size(), static_cast<size_t>(n)));
  c->x.resize(c->tokens.size());
  int32_t* const tokens = c->tokens.data();
  float* const x = c->x.data();
  int count = 0;
  for (int begin = 0; begin < n; begin += kBlock) {
    const int end = std::min(n, begin + kBlock);
    int reach = 0;
    for (int i = begin; i < end; ++i) reach += logits[i] >= bound ? 1 : 0;
    if (reach == 0) continue;
    for (int i = begin; i < end; ++i) {
      tokens[count] = i;
      x[count] = logits[i];
      count += logits[i] >= bound ? 1 : 0;
    }
  }
  c->count = count;
}

// Keeps the k largest logits. Of equal logits the lower token comes first.
void KeepTopK(int k, Candidates* c, std::vector<float>* order) {
  if (c->count <= k) return;
  order->assign(c->x.begin(), c->x.begin() + c->count);
  const auto kth = order->begin() + (k - 1);
  std::nth_element(order->begin(), kth, order->end(), std::greater<>());
  const float least = *kth;
  auto equal = k - std::count_if(order->begin(), kth, [least](float x) { return x > least; });
  c->Keep([&](int32_t, float x) { return x > least || (x == least && equal-- > 0); });
}

// Keeps the fewest likeliest tokens whose weights sum to `mass`. Of equal weights the lower token comes
// first. The least weight to keep is found digit by digit, because the bits of positive floats have the same
// order as integers.
void KeepMass(uint64_t mass, Candidates* c) {
  struct Digit {
    int shift, bits;
  };
  uint32_t least = 0;  // digits of the least weight so far
  uint64_t above = 0;  // sum of the weights with larger digits
  for (const auto [shift, bits] : {Digit{20, 11}, Digit{10, 10}, Digit{0, 10}}) {
    std::array<uint64_t, 2048> sums;
    std::fill_n(sums.begin(), size_t{1} << bits, uint64_t{0});
    for (int i = 0; i < c->count; ++i) {
      const float x = c->x[Candidates::Index(i)];
      const uint32_t digits = std::bit_cast<uint32_t>(x) >> shift;
      if (digits >> bits == least) sums[digits & ((1U << bits) - 1)] += FixedWeight(x);
    }
    uint32_t digit = (1U << bits) - 1;
    for (; digit > 0 && above + sums[digit] < mass; --digit) above += sums[digit];
    least = least << bits | digit;
  }
  const float least_weight = std::bit_cast<float>(least);
  c->Keep([&](int32_t, float x) {
    if (x != least_weight) return x > least_weight;
    const bool keep = above < mass;
    above += FixedWeight(x);
    return keep;
  });
}

// Returns the sum of FixedWeight over x. It is exact: doubles hold every whole number below 2^53, and a row
// has at most kMaxVocabulary weights of at most 2^32. The sum is NaN if a weight is.
double SumOf(const float* x, int n) {
  constexpr int kLanes = 8;  // lanes that a compiler can put in vectors
  double lanes[kLanes] = {};
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) lanes[j] += Whole(x[i + j]);
  }
  for (int j = 0; i < n; ++i, ++j) lanes[j] += Whole(x[i]);
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

// Computes the sums of the weights of all chunks and returns the sum of the row.
double SumChunks(const Row& row, std::vector<double>* sums) {
  float weights[kVocabChunk];
  double total = 0;
  sums->clear();
  for (int begin = 0; begin < row.n; begin += kVocabChunk) {
    const int count = std::min(row.n - begin, kVocabChunk);
    row.Weigh(row.logits + begin, count, weights);
    sums->push_back(SumOf(weights, count));
    total += sums->back();
  }
  return total;
}

uint64_t Fixed(double sum) { return static_cast<uint64_t>(sum); }
uint64_t Fixed(float weight) { return FixedWeight(weight); }

// Returns the first weight that takes the running sum `mass` over the target. `mass` is left at the sum
// before it. The target is below the sum of all weights.
template <typename T>
int Pick(const T* weights, int n, uint64_t target, uint64_t* mass) {
  for (int i = 0; i < n; ++i) {
    const uint64_t next = *mass + Fixed(weights[i]);
    if (next > target) return i;
    *mass = next;
  }
  return 0;
}

// Returns draw / 2^25 of the total. The draw is the middle of the range that UniformAt rounds to a multiple
// of 2^-24.
uint64_t TargetOf(uint32_t draw, double total) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<uint64_t>(Wide{Fixed(total)} * draw >> 25);
}

int32_t DrawFromAll(const Row& row, uint32_t draw, Scratch* scratch) {
  const std::vector<double>& sums = scratch->chunk_sums;
  const double total = SumChunks(row, &scratch->chunk_sums);
  if (!(total > 0)) return row.stats.argmax;  // one of the logits is NaN
  const uint64_t target = TargetOf(draw, total);
  uint64_t mass = 0;
  const int begin = Pick(sums.data(), static_cast<int>(sums.size()), target, &mass) * kVocabChunk;
  const int count = std::min(row.n - begin, kVocabChunk);
  float weights[kVocabChunk];
  row.Weigh(row.logits + begin, count, weights);
  return begin + Pick(weights, count, target, &mass);
}

// Collects no more of the row than a cut can keep, then cuts in order.
int32_t DrawFromBest(const Row& row, const SamplingParams& params, uint32_t draw, Scratch* scratch) {
  const bool top_k = params.top_k > 0 && params.top_k < row.n;
  const bool top_p = params.top_p < 1.0F;
  const double p = double{params.top_p};
  double total = 0;
  float bound = -kInfinity;
  if (top_k) {
    bound = BoundOfTopK(row.logits, row.n, params.top_k, &scratch->order);
  } else if (top_p) {
    total = SumChunks(row, &scratch->chunk_sums);
    if (!(total > 0)) return row.stats.argmax;  // one of the logits is NaN
    // Tokens below (1 - top_p) / n of the mass together hold less than 1 - top_p, so that the nucleus is
    // complete without them. Subtracting a unit covers the rounding to fixed point.
    bound = row.LogitOf(((1.0 - p) * total / row.n - 1) / kFixedOne);
  }
  // After top_k, top_p is a share of all k tokens, including those below min_p.
  if (params.min_p > 0.0F && !(top_k && top_p)) bound = std::max(bound, row.LogitOf(double{params.min_p}));
  Candidates* const c = &scratch->candidates;
  Collect(row.logits, row.n, bound, c);
  if (top_k) KeepTopK(params.top_k, c, &scratch->order);
  row.Weigh(c->x.data(), c->count, c->x.data());
  if (top_k && top_p) total = SumOf(c->x.data(), c->count);
  if (top_p && total > 0) KeepMass(static_cast<uint64_t>(std::ceil(p * total)), c);
  if (params.min_p > 0.0F) {
    c->Keep([&](int32_t token, float w) { return w >= params.min_p || token == row.stats.argmax; });
  }
  const double kept = SumOf(c->x.data(), c->count);
  if (!(kept > 0)) return row.stats.argmax;  // top_p is 0, or one of the logits is NaN
  uint64_t mass = 0;
  const int i = Pick(c->x.data(), c->count, TargetOf(draw, kept), &mass);
  return c->tokens[Candidates::Index(i)];
}

int32_t SampleToken(const cpu::Ops& ops, const float* logits, int n, const VocabStats& stats,
                    const SamplingParams& params, uint32_t position) {
  if (params.temperature <= 0.0F || params.top_k == 1 || !std::isfinite(stats.top1)) return stats.argmax;
  const float scale = std::min(1.0F / params.temperature, std::numeric_limits<float>::max());
  const Row row{ops, logits, n, stats, scale};
  const auto draw = static_cast<uint32_t>(
      UniformAt(params.seed, params.choice, position, RngPurpose::kSample) * 0x1p25F + 1.0F);
  const bool cut = (params.top_k > 0 && params.top_k < n) || params.top_p < 1.0F || params.min_p > 0.0F;
  return cut ? DrawFromBest(row, params, draw, &ThreadScratch()) : DrawFromAll(row, draw, &ThreadScratch());
}

VocabStats StatsOf(const cpu::Ops& ops, const float* logits, int n) {
  std::vector<VocabStats> chunks;
  for (int begin = 0; begin < n; begin += kVocabChunk) {
    chunks.push_back(ops.vocab_stats(logits, begin, std::min(n, begin + kVocabChunk)));
  }
  return ops.merge_vocab_stats(chunks.data(), static_cast<int>(chunks.size()));
}

}  // namespace

uint64_t FixedWeight(float weight) { return weight > 0.0F ? static_cast<uint64_t>(Whole(weight)) : 0; }

float Logprob(float logit, const VocabStats& stats) {
  return static_cast<float>(double{logit} - double{stats.top1} - std::log(double{stats.sum_exp}));
}

std::vector<std::pair<int32_t, float>> TopLogprobs(const float* logits, int n, int count,
                                                   const VocabStats& stats) {
  Scratch& scratch = ThreadScratch();
  Candidates* const c = &scratch.candidates;
  Collect(logits, n, BoundOfTopK(logits, n, count, &scratch.order), c);
  KeepTopK(count, c, &scratch.order);
  std::vector<std::pair<int32_t, float>> top;
  for (size_t i = 0; i < Candidates::Index(c->count); ++i) top.emplace_back(c->tokens[i], c->x[i]);
  std::stable_sort(top.begin(), top.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  for (auto& [token, x] : top) x = Logprob(x, stats);
  return top;
}

SampledToken Sample(const cpu::Ops& ops, const float* logits, int n, const VocabStats& stats,
                    const SamplingParams& params, uint32_t position, const TokenHistory& history) {
  SampledToken sampled;
  if (params.AdjustsLogits()) {
    std::vector<float>& adjusted = ThreadScratch().adjusted;
    adjusted.assign(logits, logits + n);
    AdjustLogits(params, history, n, adjusted.data());
    sampled.token = SampleToken(ops, adjusted.data(), n, StatsOf(ops, adjusted.data(), n), params, position);
  } else {
    sampled.token = SampleToken(ops, logits, n, stats, params, position);
  }
  if (params.n_logprobs >= 0) sampled.logprob = Logprob(logits[sampled.token], stats);
  if (params.n_logprobs > 0) sampled.top = TopLogprobs(logits, n, params.n_logprobs, stats);
  return sampled;
}

}  // namespace exeunt
