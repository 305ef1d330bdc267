#include "model/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/rng.h"

namespace exeunt {
namespace {

struct Candidate {
  int32_t token;
  float p;  // relative to the largest, which is 1
};

bool Likelier(const Candidate& a, const Candidate& b) { return a.p != b.p ? a.p > b.p : a.token < b.token; }

double TotalOf(const std::vector<Candidate>& c) {
  return std::accumulate(c.begin(), c.end(), 0.0,
                         [](double sum, const Candidate& x) { return sum + double{x.p}; });
}

void KeepTopK(int k, std::vector<Candidate>* c) {
  if (k <= 0 || static_cast<size_t>(k) >= c->size()) return;
  std::nth_element(c->begin(), c->begin() + k, c->end(), Likelier);
  c->resize(static_cast<size_t>(k));
}

// Keeps the fewest likeliest candidates whose mass reaches top_p. Those below (1 - top_p) / n of the mass
// hold less than 1 - top_p together, so the nucleus is complete without them and only the others are sorted.
void KeepTopP(double top_p, std::vector<Candidate>* c) {
  if (top_p >= 1.0) return;
  const double total = TotalOf(*c);
  const double floor = (1.0 - top_p) * total / static_cast<double>(c->size());
  std::erase_if(*c, [floor](const Candidate& x) { return double{x.p} < floor && x.p < 1.0F; });
  std::sort(c->begin(), c->end(), Likelier);
  double mass = 0;
  size_t kept = 0;
  while (kept < c->size() && mass < top_p * total) mass += double{(*c)[kept++].p};
  c->resize(std::max<size_t>(kept, 1));
}

int32_t Draw(const std::vector<Candidate>& candidates, float u) {
  const double target = double{u} * TotalOf(candidates);
  double mass = 0;
  for (const Candidate& c : candidates) {
    mass += double{c.p};
    if (mass > target) return c.token;
  }
  return candidates.back().token;
}

float Logprob(float logit, const cpu::VocabStats& stats) {
  return static_cast<float>(double{logit} - double{stats.top1} - std::log(double{stats.sum_exp}));
}

std::vector<std::pair<int32_t, float>> TopLogprobs(const float* logits, int n, int count,
                                                   const cpu::VocabStats& stats) {
  std::vector<int32_t> ids(static_cast<size_t>(n));
  std::iota(ids.begin(), ids.end(), 0);
  const auto middle = ids.begin() + std::min(count, n);
  std::partial_sort(ids.begin(), middle, ids.end(), [logits](int32_t a, int32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  });
  std::vector<std::pair<int32_t, float>> top;
  for (auto it = ids.begin(); it != middle; ++it) top.emplace_back(*it, Logprob(logits[*it], stats));
  return top;
}

int32_t SampleToken(const cpu::Ops& ops, const float* logits, int n, const cpu::VocabStats& stats,
                    const SamplingParams& params, uint32_t position) {
  if (params.temperature <= 0.0F || params.top_k == 1) return stats.argmax;
  std::vector<float> p(static_cast<size_t>(n));
  ops.exp_scaled(logits, n, stats.top1, 1.0F / params.temperature, p.data());
  std::vector<Candidate> candidates;
  for (int32_t i = 0; i < n; ++i) candidates.push_back({i, p[static_cast<size_t>(i)]});
  KeepTopK(params.top_k, &candidates);
  KeepTopP(params.top_p, &candidates);
  if (params.min_p > 0.0F) {
    std::erase_if(candidates,
                  [&](const Candidate& c) { return c.p < params.min_p && c.token != stats.argmax; });
  }
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.token < b.token; });
  return Draw(candidates, UniformAt(params.seed, params.choice, position, RngPurpose::kSample));
}

}  // namespace

SampledToken Sample(const cpu::Ops& ops, const float* logits, int n, const cpu::VocabStats& stats,
                    const SamplingParams& params, uint32_t position) {
  SampledToken sampled;
  sampled.token = SampleToken(ops, logits, n, stats, params, position);
  if (params.n_logprobs >= 0) {
    sampled.logprob = Logprob(logits[sampled.token], stats);
    if (params.n_logprobs > 0) sampled.top = TopLogprobs(logits, n, params.n_logprobs, stats);
  }
  return sampled;
}

}  // namespace exeunt
