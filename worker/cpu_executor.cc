#include "worker/cpu_executor.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "model/sampler.h"

namespace exeunt {
namespace {

constexpr int kHeadRows = 16;      // rows of logits that are held at once
constexpr int kGroupsPerTask = 4;  // column groups of a matmul that a thread takes at least

size_t Size(int n) { return static_cast<size_t>(n); }

}  // namespace

// Buffers that grow to the largest batch and are kept.
struct CpuExecutor::Scratch {
  std::vector<float> x, norm, q, kv, attention, projected, gate_up, ffn, before_last, cos, sin, logits;
  std::vector<int8_t> quant_q;
  std::vector<float> quant_d;
  std::vector<int32_t> quant_sum16;
  std::vector<cpu::VocabStats> stats;

  static float* Sized(std::vector<float>* v, size_t n) {
    if (v->size() < n) v->resize(n);
    return v->data();
  }
};

// Rows of a segment: the running ones first, then the fills. x: [rows, d_model].
struct CpuExecutor::Batch {
  int run = 0;
  int rows = 0;
  float* x = nullptr;
  std::vector<LayerRow> row;
};

CpuExecutor::CpuExecutor(StageWeights weights, ExitHeads exits, KvCache cache, CpuExecutorOptions options)
    : weights_(std::move(weights)),
      exits_(std::move(exits)),
      cache_(std::move(cache)),
      options_(std::move(options)),
      ops_(cpu::OpsFor(options_.isa)),
      config_(weights_.source->config()),
      rope_(config_),
      pool_(options_.threads),
      scratch_(std::make_unique<Scratch>()) {
  attention_ = {config_.n_heads, config_.n_kv_heads, config_.head_dim, config_.sliding_window,
                1.0F / std::sqrt(static_cast<float>(config_.head_dim))};
}

CpuExecutor::~CpuExecutor() = default;

size_t CpuExecutor::ChunkOffset(int32_t s) const {
  return static_cast<size_t>(s) % kSlotChunk * Size(config_.d_model);
}
size_t CpuExecutor::state_bytes() const { return Size(config_.d_model) * sizeof(float); }

void CpuExecutor::EnsureSlots(int n) {
  while (slots_.size() * kSlotChunk < Size(n)) {
    slots_.push_back(std::make_unique<float[]>(kSlotChunk * Size(config_.d_model)));
  }
}

void CpuExecutor::Gather(const std::vector<int32_t>& slots, std::vector<std::byte>* out) {
  out->resize(slots.size() * state_bytes());
  for (size_t i = 0; i < slots.size(); ++i) {
    std::memcpy(out->data() + i * state_bytes(), slot(slots[i]), state_bytes());
  }
}

void CpuExecutor::Scatter(const std::vector<int32_t>& slots, const std::byte* rows) {
  for (size_t i = 0; i < slots.size(); ++i)
    std::memcpy(slot(slots[i]), rows + i * state_bytes(), state_bytes());
}

void CpuExecutor::Poll(std::vector<JobDone>* done) {
  if (jobs_.empty()) return;
  const Job job = std::move(jobs_.front());
  jobs_.pop_front();
  if (const auto* segment = std::get_if<SegmentJob>(&job.work)) {
    done->push_back({job.id, RunSegment(*segment)});
  } else {
    done->push_back({job.id, RunHead(std::get<HeadJob>(job.work))});
  }
}

void CpuExecutor::Apply(const Linear& linear, const float* in, int rows, float* out, size_t out_stride) {
  if (rows == 0) return;
  const auto k = Size(linear.k());
  cpu::MatmulInput input{rows, in, nullptr, nullptr, nullptr};
  if (linear.quantised()) {
    Scratch& s = *scratch_;
    const size_t n = Size(rows) * k;
    if (s.quant_q.size() < n) {
      s.quant_q.resize(n);
      s.quant_d.resize(n / 32);
      s.quant_sum16.resize(n / 16);
    }
    pool_.RunRanges(rows, 8, [&](int begin, int end) {
      for (int r = begin; r < end; ++r) {
        const size_t at = Size(r) * k;
        ops_.quantize_row(in + at, linear.k(), &s.quant_q[at], &s.quant_d[at / 32], &s.quant_sum16[at / 16]);
      }
    });
    input.q = s.quant_q.data();
    input.d = s.quant_d.data();
    input.sum16 = s.quant_sum16.data();
  }
  for (const Linear::Part& part : linear.parts()) {
    pool_.RunRanges(part.weight.groups(), kGroupsPerTask, [&](int g0, int g1) {
      ops_.matmul(part.weight, input, out + part.first_row, out_stride, g0, g1);
    });
  }
  if (!linear.bias().empty()) {
    for (int r = 0; r < rows; ++r) ops_.add(linear.bias().data(), linear.n(), out + Size(r) * out_stride);
  }
}

void CpuExecutor::Normalise(const float* x, const std::vector<float>& weight, int rows, float* out) {
  const auto d = weight.size();
  pool_.RunRanges(rows, 8, [&](int begin, int end) {
    for (int r = begin; r < end; ++r) {
      ops_.rms_norm(x + Size(r) * d, weight.data(), static_cast<int>(d), config_.norm_eps, out + Size(r) * d);
    }
  });
}

void CpuExecutor::AddRows(const float* x, size_t count, float* y) { ops_.add(x, static_cast<int>(count), y); }

// Q, K and V of the rows, K/V of all of them stored, then attention of the running ones into
// scratch.attention.
void CpuExecutor::Attend(int layer, Batch* batch) {
  const LayerWeights& w = weights_.layer(layer);
  Scratch& s = *scratch_;
  const auto d_q = Size(config_.d_q());
  const auto d_kv = Size(config_.d_kv());
  const auto dim = Size(config_.head_dim);
  float* q = Scratch::Sized(&s.q, Size(batch->run) * d_q);
  float* kv = Scratch::Sized(&s.kv, Size(batch->rows) * 2 * d_kv);
  float* out = Scratch::Sized(&s.attention, Size(batch->run) * d_q);
  Apply(w.q, s.norm.data(), batch->run, q, d_q);
  Apply(w.kv, s.norm.data(), batch->rows, kv, 2 * d_kv);
  const auto rope = config_.rope_style == RopeStyle::kInterleaved ? ops_.rope_interleaved : ops_.rope_halves;
  const auto rotate = [&](int row, float* x, int heads, const std::vector<float>& norm) {
    for (int h = 0; h < heads; ++h, x += dim) {
      if (!norm.empty()) ops_.rms_norm(x, norm.data(), config_.head_dim, config_.norm_eps, x);
      rope(x, &s.cos[Size(row) * dim / 2], &s.sin[Size(row) * dim / 2], config_.head_dim);
    }
  };
  const int local = layer - weights_.layer_begin;
  pool_.RunRanges(batch->rows, 4, [&](int begin, int end) {
    for (int r = begin; r < end; ++r) {
      if (r < batch->run) rotate(r, q + Size(r) * d_q, config_.n_heads, w.q_norm);
      float* k = kv + Size(r) * 2 * d_kv;
      rotate(r, k, config_.n_kv_heads, w.k_norm);
      const LayerRow& row = batch->row[Size(r)];
      ops_.store_kv(attention_, cache_.Layer(local, *row.pages), row.position, k, k + d_kv);
    }
  });
  pool_.RunRanges(batch->run * config_.n_kv_heads, 1, [&](int begin, int end) {
    for (int i = begin; i < end; ++i) {
      const auto r = Size(i / config_.n_kv_heads);
      const LayerRow& row = batch->row[r];
      ops_.attention(attention_, cache_.Layer(local, *row.pages), row.position, i % config_.n_kv_heads,
                     q + r * d_q, out + r * d_q);
    }
  });
}

void CpuExecutor::RunLayer(int layer, Batch* batch) {
  const LayerWeights& w = weights_.layer(layer);
  Scratch& s = *scratch_;
  const auto d = Size(config_.d_model);
  const auto d_ff = Size(config_.d_ff);
  const auto run = Size(batch->run);
  Normalise(batch->x, w.attn_norm, batch->rows, Scratch::Sized(&s.norm, Size(batch->rows) * d));
  Attend(layer, batch);
  if (batch->run == 0) return;
  float* projected = Scratch::Sized(&s.projected, run * d);
  Apply(w.o, s.attention.data(), batch->run, projected, d);
  AddRows(projected, run * d, batch->x);

  Normalise(batch->x, w.ffn_norm, batch->run, s.norm.data());
  float* gate_up = Scratch::Sized(&s.gate_up, run * 2 * d_ff);
  float* ffn = Scratch::Sized(&s.ffn, run * d_ff);
  Apply(w.gate_up, s.norm.data(), batch->run, gate_up, 2 * d_ff);
  pool_.RunRanges(batch->run, 2, [&](int begin, int end) {
    for (int r = begin; r < end; ++r) {
      const float* row = gate_up + Size(r) * 2 * d_ff;
      ops_.swiglu(row, row + d_ff, config_.d_ff, ffn + Size(r) * d_ff);
    }
  });
  Apply(w.down, ffn, batch->run, projected, d);
  AddRows(projected, run * d, batch->x);
}

SegmentResult CpuExecutor::RunSegment(const SegmentJob& job) {
  Scratch& s = *scratch_;
  const auto d = Size(config_.d_model);
  const auto half = Size(config_.head_dim / 2);
  Batch batch;
  batch.run = static_cast<int>(job.run.size());
  batch.row = job.run;
  batch.row.insert(batch.row.end(), job.fill.begin(), job.fill.end());
  batch.rows = static_cast<int>(batch.row.size());
  batch.x = Scratch::Sized(&s.x, batch.row.size() * d);
  Scratch::Sized(&s.cos, batch.row.size() * half);
  Scratch::Sized(&s.sin, batch.row.size() * half);
  for (size_t r = 0; r < batch.row.size(); ++r) {
    const LayerRow& row = batch.row[r];
    rope_.At(row.position, &s.cos[r * half], &s.sin[r * half]);
    if (job.embed) {
      weights_.Embed(row.token, batch.x + r * d);
    } else {
      std::memcpy(batch.x + r * d, slot(row.slot), d * sizeof(float));
    }
  }
  const bool state =
      std::find(job.signals.begin(), job.signals.end(), ExitMeasure::kState) != job.signals.end();
  for (int layer = job.layer_begin; layer < job.layer_end; ++layer) {
    if (state && layer + 1 == job.layer_end) {
      std::memcpy(Scratch::Sized(&s.before_last, job.run.size() * d), batch.x,
                  job.run.size() * d * sizeof(float));
    }
    RunLayer(layer, &batch);
    options_.progress();
  }
  for (size_t r = 0; r < job.run.size(); ++r) {
    std::memcpy(slot(job.run[r].slot), batch.x + r * d, d * sizeof(float));
  }

  SegmentResult result;
  result.signals.resize(job.signals.size());
  const ExitHead* head = exits_.Find(job.layer_end);
  for (size_t r = 0; r < job.signals.size(); ++r) {
    const float* x = batch.x + r * d;
    if (job.signals[r] == ExitMeasure::kState) {
      const float* y = s.before_last.data() + r * d;
      const int n = config_.d_model;
      result.signals[r] = ops_.dot(x, y, n) / std::sqrt(ops_.dot(x, x, n) * ops_.dot(y, y, n));
    } else if (job.signals[r] == ExitMeasure::kClassifier && head != nullptr && !head->classifier.empty()) {
      const float score = ops_.dot(x, head->classifier.data(), config_.d_model) + head->classifier_bias;
      result.signals[r] = 1.0F / (1.0F + cpu::Exp(-score));
    }
  }
  return result;
}

HeadResult CpuExecutor::RunHead(const HeadJob& job) {
  CHECK_MSG(!weights_.head_norm.empty(), "no vocabulary head at the stage that begins at layer {}",
            weights_.layer_begin);
  HeadResult result;
  result.rows.resize(job.rows.size());
  for (size_t first = 0; first < job.rows.size(); first += kHeadRows) {
    RunHeadBlock(job, first, std::min<size_t>(kHeadRows, job.rows.size() - first), &result);
    options_.progress();
  }
  return result;
}

void CpuExecutor::RunHeadBlock(const HeadJob& job, size_t first, size_t count, HeadResult* result) {
  Scratch& s = *scratch_;
  const auto d = Size(config_.d_model);
  const int vocab = config_.vocab_size;
  const int rows = static_cast<int>(count);
  float* x = Scratch::Sized(&s.x, count * d);
  for (size_t r = 0; r < count; ++r)
    std::memcpy(x + r * d, slot(job.rows[first + r].slot), d * sizeof(float));
  if (const ExitHead* head = exits_.Find(job.layer); head != nullptr && head->translator) {
    float* translated = Scratch::Sized(&s.projected, count * d);
    Apply(*head->translator, x, rows, translated, d);
    x = translated;
  }
  Normalise(x, weights_.head_norm, rows, Scratch::Sized(&s.norm, count * d));
  float* logits = Scratch::Sized(&s.logits, count * Size(vocab));
  Apply(weights_.head, s.norm.data(), rows, logits, Size(vocab));

  const int chunks = (vocab + cpu::kVocabChunk - 1) / cpu::kVocabChunk;
  s.stats.resize(Size(chunks) * count);
  pool_.RunRanges(chunks * rows, 8, [&](int begin, int end) {
    for (int i = begin; i < end; ++i) {
      const int at = i % chunks * cpu::kVocabChunk;
      s.stats[Size(i)] = ops_.vocab_stats(logits + Size(i / chunks) * Size(vocab), at,
                                          std::min(vocab, at + cpu::kVocabChunk));
    }
  });
  pool_.RunRanges(rows, 1, [&](int begin, int end) {
    for (int r = begin; r < end; ++r) {
      cpu::VocabStats all;
      for (int c = 0; c < chunks; ++c) all = MergeVocabStats(all, s.stats[Size(r * chunks + c)]);
      const HeadRow& row = job.rows[first + Size(r)];
      const float* row_logits = logits + Size(r) * Size(vocab);
      SampledToken sampled = Sample(ops_, row_logits, vocab, all, *row.sampling, row.position);
      HeadRowResult& out = result->rows[first + Size(r)];
      out.token = sampled.token;
      out.softmax_margin = (1.0F - cpu::Exp(all.top2 - all.top1)) / all.sum_exp;
      out.logprob = sampled.logprob;
      out.top = std::move(sampled.top);
      if (row.want_logits) out.logits.assign(row_logits, row_logits + vocab);
    }
  });
}

}  // namespace exeunt
