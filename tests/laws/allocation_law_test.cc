// A decode step allocates nothing: once every buffer has held its most, a turn of a pipeline takes no memory
// from the heap, whatever leaves early and whatever is forwarded.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "base/check.h"
#include "costs/layer_split.h"
#include "tests/laws/law_harness.h"

namespace {
std::atomic<bool> counting{false};
std::atomic<int> allocations{0};
}  // namespace

[[gnu::noinline]] void* operator new(size_t bytes) {
  if (counting.load(std::memory_order_relaxed)) ++allocations;
  void* memory = std::malloc(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void* operator new(size_t bytes, std::align_val_t alignment) {
  if (counting.load(std::memory_order_relaxed)) ++allocations;
  const auto unit = static_cast<size_t>(alignment);
  void* memory = std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }

namespace exeunt {
namespace {

constexpr size_t kSequences = 8;
constexpr int kTokens = 240;
constexpr int kStretches = 8;

std::vector<worker::SequenceSpec> Requests(uint64_t first, size_t count, const ExitSetting& exit,
                                           int max_tokens) {
  std::vector<worker::SequenceSpec> requests;
  for (uint64_t i = first; i < first + count; ++i) {
    worker::SequenceSpec spec;
    spec.sequence = i;
    for (uint64_t p = 0; p < 60; ++p) spec.prompt.push_back(static_cast<int32_t>((i * 31 + p * 7) % 300));
    spec.max_tokens = max_tokens;
    spec.sampling = {.temperature = 0.0F, .seed = i};
    spec.exit = exit;
    requests.push_back(std::move(spec));
  }
  return requests;
}

uint64_t Fills(worker::LocalPipeline* pipeline) {
  uint64_t fills = 0;
  for (int rank = 0; rank < pipeline->stages(); ++rank) {
    fills += pipeline->runner(rank).stage().counters().fill_rows;
  }
  return fills;
}

struct Counted {
  int allocations = 0;
  uint64_t fills = 0;
  uint64_t exits = 0;
};

// Turns until so many tokens have come; the reports to the user keep their memory.
Counted Generate(worker::LocalPipeline* pipeline, size_t tokens, worker::StageOutputs* out) {
  Counted counted;
  const uint64_t fills = Fills(pipeline);
  counting = true;
  for (size_t made = 0; made < tokens;) {
    pipeline->Turn({}, out);
    CHECK(!out->failed);
    made += out->tokens.size();
    for (const worker::TokenOut& t : out->tokens) counted.exits += t.exit_layer < 30 ? 1 : 0;
    out->tokens.clear();
  }
  counting = false;
  counted.allocations = allocations.exchange(0);
  counted.fills = Fills(pipeline) - fills;
  return counted;
}

// Of a stretch of decode steps. How many frames pile up is a matter of timing, so a buffer may still grow
// late; what allocates step by step does so in every stretch, and the last one is returned.
Counted CountSteadySteps(int stages, const ExitSetting& exit) {
  worker::LocalPipelineOptions options;
  options.split = EvenSplit(30, stages);
  options.exit_layers = {6, 10, 20};
  auto created = worker::LocalPipeline::Create(RandomModel(TinyThirty(DType::kQ4_1)), options, [](float) {});
  CHECK(created.has_value());
  worker::LocalPipeline& pipeline = **created;
  // Prompts and four times the load: buffers have been about as large as they get.
  worker::StageOutputs out;
  pipeline.Turn({worker::AdmitSequences{Requests(1, 4 * kSequences, exit, 30)}}, &out);
  pipeline.RunUntilIdle(&out);
  CHECK(!out.failed);
  out = {};
  pipeline.Turn({worker::AdmitSequences{Requests(101, kSequences, exit, kTokens)}}, &out);
  Generate(&pipeline, kSequences * kTokens / 4, &out);
  Counted counted;
  for (int stretch = 0; stretch < kStretches; ++stretch) {
    counted = Generate(&pipeline, kSequences * kTokens / 2 / kStretches, &out);
    if (counted.allocations == 0) break;
  }
  return counted;
}

ExitSetting Propagate(ExitMeasure measure, float threshold) {
  return {.mode = ExitMode::kPropagate, .measure = measure, .threshold = threshold};
}

TEST(AllocationLaw, ADecodeStepAllocatesNothing) {
  for (const int stages : {1, 2, 3}) {
    const Counted off = CountSteadySteps(stages, {});
    EXPECT_EQ(off.allocations, 0) << "off, " << stages << " stages";
    EXPECT_EQ(off.exits, 0U);
    for (const ExitSetting& exit :
         {ForcedExits({{6, 0.3F}, {10, 0.2F}, {20, 0.2F}}), Propagate(ExitMeasure::kSoftmax, 0.01F),
          Propagate(ExitMeasure::kState, 0.9F)}) {
      const Counted counted = CountSteadySteps(stages, exit);
      EXPECT_EQ(counted.allocations, 0) << ExitMeasureName(exit.measure) << ", " << stages << " stages";
      EXPECT_GT(counted.exits, 0U) << ExitMeasureName(exit.measure);
      EXPECT_GT(counted.fills, 0U) << ExitMeasureName(exit.measure);
    }
  }
}

TEST(AllocationLaw, AnAllocationIsSeen) {
  counting = true;
  ::operator delete(::operator new(1));
  counting = false;
  EXPECT_EQ(allocations.exchange(0), 1);
}

}  // namespace
}  // namespace exeunt
