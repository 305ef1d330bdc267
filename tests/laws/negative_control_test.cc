// The laws can fail: each fault that they are there to catch is put into an executor, and must change what
// comes out.
#include <gtest/gtest.h>

#include <cstring>

#include "backend/cpu/cpu_executor.h"
#include "costs/layer_split.h"
#include "kernels/kv_layout.h"
#include "tests/laws/law_harness.h"

namespace exeunt {
namespace {

// Passes everything on; a fault overrides what it spoils.
class PassThrough : public Executor {
 public:
  explicit PassThrough(std::unique_ptr<Executor> inner)
      : Executor(inner->depth(), inner->state_bytes()), inner_(std::move(inner)) {}
  void Submit(Job job) override { inner_->Submit(std::move(job)); }
  void Poll(std::vector<JobDone>* done) override { inner_->Poll(done); }
  Status Reserve(int slots) override { return inner_->Reserve(slots); }
  void Gather(const std::vector<int32_t>& slots, transport::StatePayload* payload) override {
    inner_->Gather(slots, payload);
  }
  void Scatter(const std::vector<int32_t>& slots, transport::StatePayload* payload) override {
    inner_->Scatter(slots, payload);
  }
  transport::PayloadPool* payloads() override { return inner_->payloads(); }
  void Forget(uint64_t sequence) override { inner_->Forget(sequence); }

 protected:
  std::unique_ptr<Executor> inner_;
};

// The first fill of every job is not computed: its K/V stay what they were.
class DropsFills : public PassThrough {
 public:
  using PassThrough::PassThrough;
  void Submit(Job job) override {
    if (auto* segment = std::get_if<SegmentJob>(&job.work); segment != nullptr && !segment->fill.empty()) {
      segment->fill.erase(segment->fill.begin());
    }
    inner_->Submit(std::move(job));
  }
};

// Hidden states depend, in the last bits, on how many rows ran together.
class BatchDependent : public PassThrough {
 public:
  using PassThrough::PassThrough;
  void Submit(Job job) override {
    slots_.clear();
    if (const auto* segment = std::get_if<SegmentJob>(&job.work)) {
      for (const LayerRow& row : segment->run) slots_.push_back(row.slot);
    }
    inner_->Submit(std::move(job));
  }
  void Poll(std::vector<JobDone>* done) override {
    inner_->Poll(done);
    if (slots_.empty()) return;
    transport::HostPayload states;
    inner_->Gather(slots_, &states);
    auto* x = reinterpret_cast<float*>(states.data());
    for (size_t i = 0; i < states.size() / 4; ++i) x[i] *= 1.0F + 1e-6F * static_cast<float>(slots_.size());
    inner_->Scatter(slots_, &states);
    slots_.clear();
  }

 private:
  std::vector<int32_t> slots_;
};

// Fills get the K/V that their first layer projected in every layer: what CALM found to cost 15 ROUGE points.
class CopiesKv : public PassThrough {
 public:
  using PassThrough::PassThrough;
  void Submit(Job job) override {
    if (const auto* segment = std::get_if<SegmentJob>(&job.work)) job_ = *segment;
    inner_->Submit(std::move(job));
  }
  void Poll(std::vector<JobDone>* done) override {
    inner_->Poll(done);
    auto& cpu = static_cast<CpuExecutor&>(*inner_);
    const auto& shape = cpu.attention_shape();
    const int first = job_.layer_begin - cpu.weights().layer_begin;
    for (const LayerRow& row : job_.fill) {
      const auto source = cpu.cache().Layer(first, *row.pages);
      for (int layer = first + 1; layer < first + job_.layer_end - job_.layer_begin; ++layer) {
        CopyPosition(shape, source, cpu.cache().Layer(layer, *row.pages), row.position);
      }
    }
    job_ = {};
  }

 private:
  static void CopyPosition(const cpu::AttentionShape& s, const KvLayerView& from, const KvLayerView& to,
                           int position) {
    const auto dim = static_cast<size_t>(s.head_dim);
    const auto at = static_cast<size_t>(position % kPageTokens);
    for (size_t h = 0; h < static_cast<size_t>(s.n_kv_heads); ++h) {
      const auto page = static_cast<size_t>(from.pages[position / kPageTokens]);
      const size_t tile = page * from.page_stride + h * kPageTokens * dim;
      for (size_t d = 0; d < dim; ++d) {
        to.k[tile + d * kPageTokens + at] = from.k[tile + d * kPageTokens + at];
      }
      std::memcpy(to.v + tile + at * dim, from.v + tile + at * dim, dim * 2);
    }
  }
  SegmentJob job_;
};

Generated Tokens(const worker::LocalPipelineOptions& options,
                 const std::vector<worker::SequenceSpec>& requests) {
  return RunLaw(RandomModel(TinyThirty(DType::kQ4_1)), options, requests).generated;
}

template <class Fault>
worker::LocalPipelineOptions With(worker::LocalPipelineOptions options) {
  options.wrap_executor = [](std::unique_ptr<Executor> e) { return std::make_unique<Fault>(std::move(e)); };
  return options;
}

class NegativeControl : public testing::Test {
 protected:
  NegativeControl() {
    options_.split = EvenSplit(30, 2);
    options_.exit_layers = {6, 10, 20};
    options_.kv_pages = 256;
    requests_ = MakeRequests(
        {.count = 8, .seed = 12, .max_tokens = 20, .exit = ForcedExits({{6, 0.3F}, {10, 0.2F}, {20, 0.2F}})},
        300);
    want_ = Tokens(options_, requests_);
  }
  worker::LocalPipelineOptions options_;
  std::vector<worker::SequenceSpec> requests_;
  Generated want_;
};

TEST_F(NegativeControl, WithoutAFaultTheComparisonIsGreen) {
  EXPECT_EQ(Tokens(With<PassThrough>(options_), requests_), want_);
}

TEST_F(NegativeControl, ADroppedFillIsSeen) {
  EXPECT_NE(Tokens(With<DropsFills>(options_), requests_), want_);
}

TEST_F(NegativeControl, CopiedKvIsSeen) { EXPECT_NE(Tokens(With<CopiesKv>(options_), requests_), want_); }

TEST_F(NegativeControl, ABatchDependentSumIsSeen) {
  // Under the fault, a request alone differs from the same request among others: the law's comparison is red.
  const auto together = Tokens(With<BatchDependent>(options_), requests_);
  size_t different = 0;
  for (const worker::SequenceSpec& request : requests_) {
    different += Tokens(With<BatchDependent>(options_), {request}).at(request.sequence) !=
                 together.at(request.sequence);
  }
  EXPECT_GT(different, 0U);
}

}  // namespace
}  // namespace exeunt
