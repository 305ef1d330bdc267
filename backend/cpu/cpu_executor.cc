#include "backend/cpu/cpu_executor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>

#include "backend/cpu/sampler.h"
#include "base/check.h"
#include "base/error.h"
#include "base/sized.h"

namespace exeunt {
namespace {

constexpr int kHeadRows = 64;  // rows of logits that are held at once
constexpr int kVocabGroups = kVocabChunk / kGroupColumns;

}  // namespace

CpuExecutor::CpuExecutor(StageWeights weights, ExitHeads exits, KvCache cache, CpuExecutorOptions options)
    : Executor(/*depth=*/1, Size(weights.source->config().d_model) * sizeof(float)),
      weights_(std::move(weights)),
      exits_(std::move(exits)),
      cache_(std::move(cache)),
      options_(std::move(options)),
      ops_(cpu::OpsFor(options_.isa)),
      config_(weights_.source->config()),
      pool_(options_.threads, options_.cpus),
      layers_(weights_, cache_, ops_, &pool_),
      head_rows_(ops_),
      translator_rows_(ops_) {
  if (exits_.preview() != nullptr) {
    cheap_heads_[ExitMeasure::kPreview] =
        std::make_unique<CpuPreview>(*exits_.preview(), weights_, ops_, &pool_, &layers_);
  }
  if (exits_.candidates() != nullptr) {
    const auto outside = [this](int layer) -> const OutsideEstimate* {
      const ExitHead* exit = exits_.Find(layer);
      return exit == nullptr || exit->outside.weight.empty() ? nullptr : &exit->outside;
    };
    cheap_heads_[ExitMeasure::kCandidates] =
        std::make_unique<CpuCandidates>(*exits_.candidates(), outside, weights_, ops_, &pool_, &layers_);
  }
}

size_t CpuExecutor::ChunkOffset(int32_t s) const {
  return static_cast<size_t>(s) % kSlotChunk * Size(config_.d_model);
}

Status CpuExecutor::Reserve(int slots) {
  if (options_.max_slots > 0 && slots > options_.max_slots) {
    return ResourceExhausted("no memory for the hidden states of {} rows, at most {}", slots,
                             options_.max_slots);
  }
  while (slots_.size() * kSlotChunk < Size(slots)) {
    auto chunk = std::unique_ptr<float[]>(new (std::nothrow) float[kSlotChunk * Size(config_.d_model)]());
    if (chunk == nullptr) {
      return ResourceExhausted("no memory for the hidden states of {} rows of {} bytes", slots,
                               state_bytes());
    }
    slots_.push_back(std::move(chunk));
  }
  return OkStatus();
}

// States are copied at once, because a queued job has other slots.
void CpuExecutor::Gather(const std::vector<int32_t>& slots, transport::StatePayload* payload) {
  payload->Resize(slots.size() * state_bytes());
  for (size_t i = 0; i < slots.size(); ++i) {
    std::byte* const to = payload->data() + i * state_bytes();
    if (HasSlot(slots[i])) {
      std::memcpy(to, slot(slots[i]), state_bytes());
    } else {
      std::memset(to, 0, state_bytes());
    }
  }
}

void CpuExecutor::Scatter(const std::vector<int32_t>& slots, transport::StatePayload* payload) {
  CHECK_EQ(payload->size(), slots.size() * state_bytes());
  for (size_t i = 0; i < slots.size(); ++i) {
    if (HasSlot(slots[i])) std::memcpy(slot(slots[i]), payload->data() + i * state_bytes(), state_bytes());
  }
}

void CpuExecutor::Forget(uint64_t sequence) {
  for (auto& [measure, head] : cheap_heads_) head->Forget(sequence);
}

void CpuExecutor::Poll(std::vector<JobDone>* done) {
  if (jobs_.empty()) return;
  const TimePoint begin = MonotonicNow();
  Job job = jobs_.Take();
  auto* const segment = std::get_if<SegmentJob>(&job.work);
  Status status = segment != nullptr ? RunSegment(segment) : RunHead(&std::get<HeadJob>(job.work));
  done->push_back({std::move(job), std::move(status), MonotonicNow() - begin});
}

// Copies the rows' states side by side. They are embeddings at the first layer, else the states of their
// slots.
void CpuExecutor::Gather(const SegmentJob& job, const CpuBatch& batch) {
  const size_t d = Size(config_.d_model);
  for (size_t r = 0; r < Size(batch.rows); ++r) {
    if (job.embed) {
      weights_.Embed(batch.row[r].token, batch.x + r * d);
    } else {
      std::memcpy(batch.x + r * d, slot(batch.row[r].slot), d * sizeof(float));
    }
  }
}

Status CpuExecutor::CheckSlot(int32_t slot) const {
  if (HasSlot(slot)) return OkStatus();
  return ResourceExhausted("there is no memory for the hidden state of slot {}, {} are reserved", slot,
                           slots_.size() * kSlotChunk);
}

Status CpuExecutor::RunSegment(SegmentJob* job) {
  for (const auto* rows : {&job->run, &job->fill}) {
    for (const LayerRow& row : *rows) RETURN_IF_ERROR(CheckSlot(row.slot));
  }
  const size_t d = Size(config_.d_model);
  CpuOpTimer timer(layers_.op_seconds());
  rows_ = job->run;
  rows_.insert(rows_.end(), job->fill.begin(), job->fill.end());
  if (rows_.empty()) {
    job->result = {};
    return OkStatus();
  }
  const CpuBatch batch{static_cast<int>(job->run.size()), static_cast<int>(rows_.size()), rows_.data(),
                       Sized(&x_, rows_.size() * d)};
  Gather(*job, batch);
  layers_.Begin(batch);
  timer.Lap(CpuOp::kGather);
  const bool state =
      std::find(job->signals.begin(), job->signals.end(), ExitMeasure::kState) != job->signals.end();
  for (int layer = job->layer_begin; layer < job->layer_end; ++layer) {
    if (state && layer + 1 == job->layer_end) {
      std::memcpy(Sized(&before_last_, job->run.size() * d), batch.x, job->run.size() * d * sizeof(float));
    }
    layers_.Forward(layer, batch);
    options_.progress();
  }
  for (size_t r = 0; r < job->run.size(); ++r) {
    std::memcpy(slot(job->run[r].slot), batch.x + r * d, d * sizeof(float));
  }
  Measure(*job, batch.x, &job->result);
  job->result.previews.clear();
  for (const auto& [measure, head] : cheap_heads_) MeasureTokens(*job, measure, head.get(), &job->result);
  return OkStatus();
}

// x: [run, d_model], the states after the segment.
void CpuExecutor::Measure(const SegmentJob& job, const float* x, SegmentResult* result) {
  const int d = config_.d_model;
  result->signals.assign(job.signals.size(), 0.0F);
  const ExitHead* head = exits_.Find(job.layer_end);
  for (size_t r = 0; r < job.signals.size(); ++r, x += d) {
    if (job.signals[r] == ExitMeasure::kState) {
      const float* y = before_last_.data() + r * Size(d);
      result->signals[r] = ops_.dot(x, y, d) / std::sqrt(ops_.dot(x, x, d) * ops_.dot(y, y, d));
    } else if (job.signals[r] == ExitMeasure::kClassifier && head != nullptr && !head->classifier.empty()) {
      const float score = ops_.dot(x, head->classifier.data(), d) + head->classifier_bias;
      result->signals[r] = 1.0F / (1.0F + cpu::Exp(-score));
    }
  }
}

void CpuExecutor::MeasureTokens(const SegmentJob& job, ExitMeasure measure, CheapHead* head,
                                SegmentResult* result) {
  asked_.clear();
  askers_.clear();
  for (size_t r = 0; r < job.signals.size(); ++r) {
    if (job.signals[r] != measure) continue;
    asked_.push_back(r);
    askers_.push_back({job.run[r].sequence, job.run[r].prompt});
  }
  if (asked_.empty() || !head->Serves(job.layer_end)) return;
  const size_t d = Size(config_.d_model);
  const int rows = static_cast<int>(asked_.size());
  CpuOpTimer timer(layers_.op_seconds());
  float* x = Sized(&measured_, asked_.size() * d);
  for (size_t i = 0; i < asked_.size(); ++i) std::memcpy(x + i * d, &x_[asked_[i] * d], d * sizeof(float));
  Translate(job.layer_end, rows, x);
  ExitToken* tokens = Sized(&exit_tokens_, asked_.size());
  head->Run(job.layer_end, x, askers_, tokens);
  if (result->previews.empty()) result->previews.assign(job.signals.size(), -1);
  for (size_t i = 0; i < asked_.size(); ++i) {
    result->signals[asked_[i]] = tokens[i].margin;
    result->previews[asked_[i]] = tokens[i].token;
  }
  timer.Lap(CpuOp::kPreview);
}

Status CpuExecutor::RunHead(HeadJob* job) {
  for (const HeadRow& row : job->rows) RETURN_IF_ERROR(CheckSlot(row.slot));
  CHECK_MSG(!weights_.head_norm.empty(), "no vocabulary head at the stage that begins at layer {}",
            weights_.layer_begin);
  job->results.resize(job->rows.size());
  for (size_t first = 0; first < job->rows.size(); first += kHeadRows) {
    RunHeadBlock(job, first, std::min<size_t>(kHeadRows, job->rows.size() - first));
    options_.progress();
  }
  return OkStatus();
}

// Computes vocabulary chunks in parallel. Each task computes a chunk's logits of all rows, and their
// statistics while the logits are in the cache.
void CpuExecutor::RunHeadBlock(HeadJob* job, size_t first, size_t count) {
  const size_t d = Size(config_.d_model);
  const int vocab = config_.vocab_size;
  const int rows = static_cast<int>(count);
  CpuOpTimer timer(layers_.op_seconds());
  float* x = Sized(&x_, count * d);
  for (size_t r = 0; r < count; ++r) {
    std::memcpy(x + r * d, slot(job->rows[first + r].slot), d * sizeof(float));
  }
  Translate(&job->rows[first], rows);
  head_rows_.Reset(rows, weights_.head);
  layers_.Normalise(x, weights_.head_norm, rows, &head_rows_);
  float* logits = Sized(&logits_, count * Size(vocab));
  const int chunks = (vocab + kVocabChunk - 1) / kVocabChunk;
  VocabStats* stats = Sized(&stats_, Size(chunks) * count);
  const PackedMatrix& weight = weights_.head.parts()[0].weight;
  pool_.RunRanges(chunks, 1, [&](int begin, int end) {
    for (int c = begin; c < end; ++c) {
      ops_.matmul(weight, head_rows_.all(), {logits, Size(vocab), false}, c * kVocabGroups,
                  std::min((c + 1) * kVocabGroups, weight.groups()));
      for (int r = 0; r < rows; ++r) {
        stats[r * chunks + c] = ops_.vocab_stats(logits + Size(r) * Size(vocab), c * kVocabChunk,
                                                 std::min(vocab, (c + 1) * kVocabChunk));
      }
    }
  });
  timer.Lap(CpuOp::kHead);
  pool_.RunRanges(rows, 1, [&](int begin, int end) {
    for (int r = begin; r < end; ++r) {
      const VocabStats all = ops_.merge_vocab_stats(stats + r * chunks, chunks);
      const HeadRow& row = job->rows[first + Size(r)];
      const float* row_logits = logits + Size(r) * Size(vocab);
      HeadRowResult& out = job->results[first + Size(r)];
      if (row.scored >= 0) {
        out = {.token = all.argmax, .logprob = Logprob(row_logits[row.scored], all)};
        if (const int n = row.sampling->n_logprobs; n > 0) out.top = TopLogprobs(row_logits, vocab, n, all);
        continue;
      }
      SampledToken sampled = Sample(ops_, row_logits, vocab, all, *row.sampling, row.position, row.history);
      out.token = sampled.token;
      out.softmax_margin = (1.0F - cpu::Exp(all.top2 - all.top1)) / all.sum_exp;
      out.logprob = sampled.logprob;
      out.top = std::move(sampled.top);
      out.logits.assign(row_logits, row_logits + (row.want_logits ? vocab : 0));
    }
  });
  timer.Lap(CpuOp::kSample);
}

// Applies the translator of their exit to the rows of x_ that leave there, if it has one.
void CpuExecutor::Translate(const HeadRow* rows, int count) {
  for (int first = 0, next = 0; first < count; first = next) {
    while (next < count && rows[next].layer == rows[first].layer) ++next;
    Translate(rows[first].layer, next - first, &x_[Size(first) * Size(config_.d_model)]);
  }
}

void CpuExecutor::Translate(int layer, int count, float* x) {
  const size_t d = Size(config_.d_model);
  const ExitHead* head = exits_.Find(layer);
  if (head == nullptr || !head->translator) return;
  translator_rows_.Reset(count, *head->translator);
  for (int r = 0; r < count; ++r) {
    std::memcpy(translator_rows_.row(r), x + Size(r) * d, d * sizeof(float));
    translator_rows_.Ready(r);
  }
  layers_.Apply(*head->translator, translator_rows_.all(), {x, d, false});
}

}  // namespace exeunt
