#include "backend/oracle/oracle_executor.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/error.h"
#include "kernels/kv_layout.h"

namespace exeunt {
namespace {

// SplitMix64's finaliser (Steele et al., OOPSLA 2014).
uint64_t Mix(uint64_t a, uint64_t b) {
  uint64_t x = a + 0x9E3779B97F4A7C15 * (b + 1);
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return (x ^ (x >> 31)) | 1;  // never 0
}

// Returns a number in [0, 1).
float Share(uint64_t digest) { return static_cast<float>(digest >> 40) * 0x1p-24F; }

}  // namespace

// Bytes that become ready some time after they were asked for.
class OracleExecutor::Payload : public transport::HostPayload {
 public:
  explicit Payload(const OracleOptions* options) : options_(options) {}
  bool Ready() override { return options_->now() >= ready_; }
  void Begin() { ready_ = options_->now() + options_->copy; }

 private:
  const OracleOptions* options_;
  TimePoint ready_;
};

std::unique_ptr<transport::StatePayload> OracleExecutor::Pool::Make() {
  return std::make_unique<Payload>(options_);
}

OracleExecutor::OracleExecutor(OracleOptions options)
    : Executor(options.depth, options.vocab_size > 0 ? sizeof(uint64_t) : 0), options_(std::move(options)) {}

void OracleExecutor::Submit(Job job) {
  CHECK_LT(static_cast<int>(running_.size()), depth());
  TimePoint begin = options_.now();
  for (const Running& before : running_) begin = std::max(begin, before.end);
  const Duration took = options_.cost(job);
  running_.push_back({std::move(job), begin + took, took});
}

void OracleExecutor::Poll(std::vector<JobDone>* done) {
  while (!running_.empty() && running_.front().end <= options_.now()) {
    Running next = running_.Take();
    Status status = options_.fault(next.job);
    if (status.has_value()) status = Run(&next.job);
    done->push_back({std::move(next.job), std::move(status), next.took});
  }
}

std::optional<TimePoint> OracleExecutor::NextDone() const {
  if (running_.empty()) return std::nullopt;
  return running_.front().end;
}

Status OracleExecutor::Reserve(int slots) {
  if (slots > options_.max_slots)
    return ResourceExhausted("no memory for the hidden states of {} rows, at most {}", slots,
                             options_.max_slots);
  reserved_ = std::max(reserved_, slots);
  if (keeps_states()) states_.resize(static_cast<size_t>(reserved_));
  return OkStatus();
}

void OracleExecutor::Gather(const std::vector<int32_t>& slots, transport::StatePayload* payload) {
  payload->Resize(slots.size() * state_bytes());
  for (size_t i = 0; keeps_states() && i < slots.size(); ++i) {
    const uint64_t state = slots[i] < reserved_ ? states_[static_cast<size_t>(slots[i])] : 0;
    std::memcpy(payload->data() + i * sizeof state, &state, sizeof state);
  }
  static_cast<Payload*>(payload)->Begin();
}

void OracleExecutor::Scatter(const std::vector<int32_t>& slots, transport::StatePayload* payload) {
  for (size_t i = 0; keeps_states() && i < slots.size(); ++i) {
    if (slots[i] < 0 || slots[i] >= reserved_) continue;
    std::memcpy(&states_[static_cast<size_t>(slots[i])], payload->data() + i * sizeof(uint64_t),
                sizeof(uint64_t));
  }
  static_cast<Payload*>(payload)->Begin();
}

Status OracleExecutor::CheckSlot(int32_t slot) const {
  if (slot >= 0 && slot < reserved_) return OkStatus();
  return ResourceExhausted("there is no memory for the hidden state of slot {}, {} are reserved", slot,
                           reserved_);
}

Status OracleExecutor::Run(Job* job) {
  if (auto* segment = std::get_if<SegmentJob>(&job->work)) return RunSegment(segment);
  return RunHead(&std::get<HeadJob>(job->work));
}

uint64_t& OracleExecutor::Kv(const LayerRow& row, int32_t position, int layer) {
  const int64_t page = row.pages->at(static_cast<size_t>(position / kPageTokens));
  auto& layers = kv_[page * kPageTokens + position % kPageTokens];
  layers.resize(static_cast<size_t>(options_.n_layers));
  return layers[static_cast<size_t>(layer)];
}

Result<uint64_t> OracleExecutor::Attend(const LayerRow& row, int layer, uint64_t state) {
  uint64_t digest = Mix(state, static_cast<uint64_t>(layer));
  for (int32_t position = 0; position <= row.position; ++position) {
    const uint64_t kv = Kv(row, position, layer);
    if (kv == 0) {
      return Internal("the row at position {} attends in layer {} to position {}, which has no K/V",
                      row.position, layer, position);
    }
    digest = Mix(digest, kv);
  }
  return digest;
}

int32_t OracleExecutor::TokenOf(uint64_t state, int layer) const {
  if (!keeps_states()) return 0;
  return static_cast<int32_t>(Mix(state, 1000 + static_cast<uint64_t>(layer)) %
                              static_cast<uint64_t>(options_.vocab_size));
}

Status OracleExecutor::RunSegment(SegmentJob* job) {
  for (const auto* rows : {&job->run, &job->fill}) {
    for (const LayerRow& row : *rows) RETURN_IF_ERROR(CheckSlot(row.slot));
  }
  const auto state = [&](const LayerRow& row) -> uint64_t& { return states_[static_cast<size_t>(row.slot)]; };
  if (keeps_states()) {
    if (job->embed) {
      for (const LayerRow& row : job->run) state(row) = Mix(options_.seed, static_cast<uint64_t>(row.token));
    }
    for (int layer = job->layer_begin; layer < job->layer_end; ++layer) {
      for (const auto* rows : {&job->run, &job->fill}) {
        for (const LayerRow& row : *rows)
          Kv(row, row.position, layer) = Mix(state(row), static_cast<uint64_t>(row.position));
      }
      for (const LayerRow& row : job->run) {
        ASSIGN_OR_RETURN(state(row), Attend(row, layer, state(row)));
      }
    }
  }
  SegmentResult& result = job->result;
  result.signals.assign(job->signals.size(), 0.0F);
  result.previews.assign(options_.gives_tokens(*job) ? job->run.size() : 0, 0);
  for (size_t i = 0; i < job->signals.size(); ++i) {
    const ExitMeasure measure = job->signals[i];
    const uint64_t digest = keeps_states() ? state(job->run[i]) : 0;
    result.signals[i] = keeps_states() ? Share(Mix(digest, static_cast<uint64_t>(job->layer_end))) : 0.0F;
    if (!Info(measure).gives_token) continue;
    if (result.previews.empty()) result.previews.assign(job->signals.size(), -1);
    result.previews[i] = TokenOf(digest, job->layer_end);
  }
  return OkStatus();
}

Status OracleExecutor::RunHead(HeadJob* job) {
  for (const HeadRow& row : job->rows) RETURN_IF_ERROR(CheckSlot(row.slot));
  job->results.clear();
  for (const HeadRow& row : job->rows) {
    const uint64_t digest = keeps_states() ? states_[static_cast<size_t>(row.slot)] : 0;
    HeadRowResult& result = job->results.emplace_back();
    result.token = TokenOf(digest, row.layer);
    result.softmax_margin = keeps_states() ? Share(Mix(digest, 7)) : 0.0F;
    if (row.want_logits) result.logits = {Share(digest), Share(Mix(digest, 8))};
  }
  return OkStatus();
}

}  // namespace exeunt
