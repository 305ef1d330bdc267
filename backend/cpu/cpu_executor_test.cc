// The executor alone: fills project K/V as CALM says, signals are what their formulas say, exit heads are
// applied.
#include "backend/cpu/cpu_executor.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "backend/conformance/executor_conformance.h"
#include "backend/cpu/candidate_head.h"
#include "backend/cpu/cpu_backend.h"
#include "base/check.h"
#include "kernels/dequantize.h"
#include "model/safetensors_writer.h"
#include "model/testing/random_model.h"

namespace exeunt {
namespace {

constexpr int kD = 64;

class CpuExecutorTest : public testing::Test {
 protected:
  CpuExecutorTest() {
    directory_ = std::filesystem::temp_directory_path() / ("exeunt-executor-" + std::to_string(getpid()));
    std::filesystem::create_directories(directory_);
    const std::string path = (directory_ / "model.gguf").string();
    const Status written = WriteRandomModel({.n_layers = 6, .vocab_size = 300}, path);
    CHECK_MSG(written.has_value(), "{}", written.error().message);
    source_ = ModelSource::Open(path).value();
  }
  ~CpuExecutorTest() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<Executor> Build(const std::string& exits = "") {
    StageBuild build;
    build.source = source_;
    build.layers = {0, 6};
    build.exit_layers = {2};
    build.exits_directory = exits;
    build.kv_pages = 4;
    auto stage = MakeCpuBackend()->Build(build);
    CHECK_MSG(stage.has_value(), "{}", stage.error().message);
    CHECK(stage->executor->Reserve(8).has_value());
    return std::move(stage->executor);
  }

  template <typename Work>
  static Work Done(Executor* executor, Work work) {
    executor->Submit({1, std::move(work)});
    std::vector<JobDone> done;
    executor->Poll(&done);
    return std::get<Work>(std::move(done.at(0).job.work));
  }
  static SegmentResult Run(Executor* executor, SegmentJob job) {
    return Done(executor, std::move(job)).result;
  }
  static std::vector<HeadRowResult> Run(Executor* executor, HeadJob job) {
    return Done(executor, std::move(job)).results;
  }

  static std::vector<float> State(Executor* executor, int32_t slot) {
    transport::HostPayload bytes;
    executor->Gather({slot}, &bytes);
    std::vector<float> state(bytes.size() / 4);
    std::memcpy(state.data(), bytes.data(), bytes.size());
    return state;
  }

  std::vector<float> Tensor(const std::string& name) const {
    const TensorView* t = source_->Find(name);
    size_t n = 1;
    for (int64_t extent : t->shape) n *= static_cast<size_t>(extent);
    std::vector<float> v(n);
    DequantizeRow(t->dtype, t->bytes.data(), v.data(), n);
    return v;
  }

  std::filesystem::path directory_;
  std::shared_ptr<const ModelSource> source_;
  std::vector<int32_t> pages_ = {2, 0};
};

double Dot(const float* a, const float* b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += double{a[i]} * b[i];
  return sum;
}

// calm.md, 2: k = RoPE(W_K norm(h_j), its own position), v = W_V norm(h_j), with each layer's own weights.
TEST_F(CpuExecutorTest, FillsProjectEachLayersOwnKeysAndValues) {
  const auto executor = Build();
  const auto& cpu = static_cast<const CpuExecutor&>(*executor);
  Run(executor.get(), SegmentJob{0, 2, true, {{0, 0, 17, &pages_}}, {}, {}});
  const int position = 33;
  const std::vector<float> h = State(executor.get(), 0);
  Run(executor.get(), SegmentJob{2, 6, false, {}, {{0, position, 17, &pages_}}, {}});
  EXPECT_EQ(State(executor.get(), 0), h);  // a fill leaves the state as it is
  const ModelConfig& config = source_->config();
  for (int layer = 2; layer < 6; ++layer) {
    const std::string prefix = "blk." + std::to_string(layer) + ".";
    const auto norm = Tensor(prefix + "attn_norm.weight");
    std::vector<float> x(kD);
    const double scale = 1.0 / std::sqrt(Dot(h.data(), h.data(), kD) / kD + double{config.norm_eps});
    for (size_t i = 0; i < kD; ++i) x[i] = static_cast<float>(h[i] * scale) * norm[i];
    const auto wk = Tensor(prefix + "attn_k.weight");
    const auto wv = Tensor(prefix + "attn_v.weight");
    const auto view = cpu.cache().Layer(layer, pages_);
    for (size_t head = 0; head < 2; ++head) {
      const size_t tile = static_cast<size_t>(pages_[1]) * view.page_stride + head * 32 * 16;
      for (size_t d = 0; d < 16; ++d) {
        const size_t pair = d / 2;
        const double angle =
            position * std::pow(double{config.rope_theta}, -2.0 * static_cast<double>(pair) / 16);
        const double a = Dot(&wk[(head * 16 + 2 * pair) * kD], x.data(), kD);
        const double b = Dot(&wk[(head * 16 + 2 * pair + 1) * kD], x.data(), kD);
        const double key = d % 2 == 0 ? a * std::cos(angle) - b * std::sin(angle)
                                      : a * std::sin(angle) + b * std::cos(angle);
        const double value = Dot(&wv[(head * 16 + d) * kD], x.data(), kD);
        // Half precision: 11 bits of mantissa.
        EXPECT_NEAR(HalfToFloat(view.k[tile + d * 32 + 1]), key, std::abs(key) / 1024 + 1e-4)
            << "layer " << layer;
        EXPECT_NEAR(HalfToFloat(view.v[tile + 16 + d]), value, std::abs(value) / 1024 + 1e-4)
            << "layer " << layer;
      }
    }
  }
}

TEST_F(CpuExecutorTest, TheStateSignalIsTheCosineOfTheLastTwoStates) {
  const auto executor = Build();
  Run(executor.get(), SegmentJob{0, 1, true, {{0, 0, 17, &pages_}}, {}, {}});
  const auto before = State(executor.get(), 0);
  const auto result =
      Run(executor.get(), SegmentJob{1, 2, false, {{0, 0, 17, &pages_}}, {}, {ExitMeasure::kState}});
  const auto after = State(executor.get(), 0);
  const double cosine =
      Dot(before.data(), after.data(), kD) /
      std::sqrt(Dot(before.data(), before.data(), kD) * Dot(after.data(), after.data(), kD));
  ASSERT_EQ(result.signals.size(), 1U);
  EXPECT_NEAR(result.signals[0], cosine, 1e-6);
  EXPECT_LT(cosine, 0.9999);
}

TEST_F(CpuExecutorTest, TheHeadGivesTokenMarginAndLogits) {
  const auto executor = Build();
  Run(executor.get(), SegmentJob{0, 6, true, {{0, 0, 17, &pages_}}, {}, {}});
  const SamplingParams greedy{.temperature = 0.0F, .n_logprobs = 1};
  const auto result = Run(executor.get(), HeadJob{{{0, 6, 1, &greedy, true}}});
  const auto& row = result.at(0);
  ASSERT_EQ(row.logits.size(), 300U);
  std::vector<double> p(300);
  double sum = 0;
  for (size_t i = 0; i < 300; ++i) sum += p[i] = std::exp(double{row.logits[i]});
  for (double& x : p) x /= sum;
  EXPECT_NEAR(row.logprob, std::log(p[static_cast<size_t>(row.token)]), 1e-5);
  std::sort(p.rbegin(), p.rend());
  EXPECT_NEAR(row.softmax_margin, p[0] - p[1], 1e-6);
}

class ExitHeadsTest : public CpuExecutorTest {
 protected:
  // A translator of twice the identity plus a bias, and a classifier.
  void WriteExits(const std::string& hash, const std::string& more = "") {
    std::vector<float> weight(kD * kD, 0.0F), bias(kD, 0.25F), classifier(kD, 0.01F), offset(1, 0.5F);
    for (size_t i = 0; i < kD; ++i) weight[i * kD + i] = 2.0F;
    SafetensorsWriter writer;
    const auto bytes = [](const std::vector<float>& v) { return std::as_bytes(std::span(v)); };
    writer.AddTensor("exit.2.translator.weight", DType::kF32, {kD, kD}, bytes(weight));
    writer.AddTensor("exit.2.translator.bias", DType::kF32, {kD}, bytes(bias));
    writer.AddTensor("exit.2.classifier.weight", DType::kF32, {kD}, bytes(classifier));
    writer.AddTensor("exit.2.classifier.bias", DType::kF32, {1}, bytes(offset));
    const std::vector<float> small(kD, 0.01F), never(1, -60.0F);
    writer.AddTensor("exit.2.outside.weight", DType::kF32, {kD}, bytes(small));
    writer.AddTensor("exit.2.outside.bias", DType::kF32, {1}, bytes(never));
    std::vector<float> identity(kD * kD, 0.0F);
    for (size_t i = 0; i < kD; ++i) identity[i * kD + i] = 1.0F;
    writer.AddTensor("preview.down", DType::kF32, {kD, kD}, bytes(identity));
    writer.AddTensor("preview.basis", DType::kF32, {kD, kD}, bytes(identity));
    ASSERT_TRUE(writer.WriteTo((directory_ / "exits.safetensors").string()).has_value());
    WriteJson(R"({"format": 1, "model": ")" + hash +
              R"(", "exits": [{"layer": 2, "translator": true, "classifier": true, "outside": true}])" +
              more + "}");
  }
  void WriteJson(const std::string& text) { std::ofstream(directory_ / "exits.json") << text; }
  // Rows 0 and 2 of a segment up to layer 2, at positions 0 and 2, measured what the head says there.
  static void ExpectSoftmaxOfHead(Executor* executor, const SegmentResult& measured) {
    const SamplingParams greedy{.temperature = 0.0F};
    const auto head = Run(executor, HeadJob{{{0, 2, 1, &greedy, false}, {2, 2, 3, &greedy, false}}});
    for (const size_t i : {0U, 2U}) {
      EXPECT_EQ(measured.previews[i], head[i / 2].token);
      EXPECT_NEAR(measured.signals[i], head[i / 2].softmax_margin, 1e-6F);
    }
  }
};

TEST_F(ExitHeadsTest, TranslatorAndClassifierAreApplied) {
  WriteExits(source_->ContentHash());
  const auto fitted = Build(directory_.string());
  const auto plain = Build();
  const SegmentJob segment{0, 2, true, {{0, 0, 17, &pages_}}, {}, {ExitMeasure::kClassifier}};
  const auto signal = Run(fitted.get(), segment).signals.at(0);
  Run(plain.get(), segment);
  std::vector<float> h = State(fitted.get(), 0);
  double score = 0.5;
  for (float x : h) score += 0.01 * double{x};
  EXPECT_NEAR(signal, 1 / (1 + std::exp(-score)), 1e-6);
  // The plain head on the translated state gives the logits of the fitted head on the state itself.
  for (float& x : h) x = 2.0F * x + 0.25F;
  transport::HostPayload translated;
  translated.Resize(h.size() * sizeof(float));
  std::memcpy(translated.data(), h.data(), translated.size());
  plain->Scatter({1}, &translated);
  const SamplingParams greedy{.temperature = 0.0F};
  const auto a = Run(fitted.get(), HeadJob{{{0, 2, 1, &greedy, true}}});
  const auto b = Run(plain.get(), HeadJob{{{1, 2, 1, &greedy, true}}});
  for (size_t i = 0; i < 300; ++i) ASSERT_NEAR(a[0].logits[i], b[0].logits[i], 1e-4);
}

TEST_F(ExitHeadsTest, KeepsTheContractOfExecutors) {
  WriteExits(source_->ContentHash(),
             R"(, "preview": {"rank": 64, "groups": 4}, "candidates": {"tokens": [2, 40, 41, 250]})");
  ConformanceSubject subject;
  subject.make = [&](int max_slots) {
    StageBuild build;
    build.source = source_;
    build.layers = {0, 6};
    build.exit_layers = {2};
    build.exits_directory = directory_.string();
    build.kv_pages = 4;
    build.max_slots = max_slots;
    return std::move(MakeCpuBackend()->Build(build).value().executor);
  };
  subject.n_layers = 6;
  subject.vocab_size = 300;
  subject.exit_layer = 2;
  subject.measures = {ExitMeasure::kState, ExitMeasure::kClassifier, ExitMeasure::kPreview,
                      ExitMeasure::kCandidates};
  RunExecutorConformance(subject);
}

// A preview whose groups hold the whole vocabulary is the head behind the translator.
TEST_F(ExitHeadsTest, PreviewOfEveryGroupIsTheSoftmaxOfTheHead) {
  WriteExits(source_->ContentHash(), R"(, "preview": {"rank": 64, "groups": 19})");
  const auto fitted = Build(directory_.string());
  const SegmentJob segment{0,    2,
                           true, {{0, 0, 17, &pages_}, {1, 1, 23, &pages_}, {2, 2, 5, &pages_}},
                           {},   {ExitMeasure::kPreview, ExitMeasure::kForced, ExitMeasure::kPreview}};
  const auto measured = Run(fitted.get(), segment);
  ASSERT_EQ(measured.previews.size(), 3U);
  EXPECT_EQ(measured.previews[1], -1);
  ExpectSoftmaxOfHead(fitted.get(), measured);
}

// Candidates that are the whole vocabulary, half of them the prompt's, with nothing outside.
TEST_F(ExitHeadsTest, CandidatesOfTheWholeVocabularyAreTheSoftmaxOfTheHead) {
  std::string tokens;
  std::vector<int32_t> frequent;
  std::vector<int32_t> prompt;
  for (int t = 0; t < 300; ++t) {
    if (t % 2 == 0) tokens += fmt::format("{}{}", tokens.empty() ? "" : ",", t);
    if (t % 2 == 0) frequent.push_back(t);
    prompt.push_back((7 * t) % 300);
  }
  WriteExits(source_->ContentHash(), R"(, "candidates": {"tokens": [)" + tokens + "]}");
  const auto fitted = Build(directory_.string());
  const std::vector<int32_t> few = {298, 1, 1};
  const SegmentJob segment{
      0,
      2,
      true,
      {{0, 0, 17, &pages_, 1, &prompt},
       {1, 1, 23, &pages_},
       {2, 2, 5, &pages_, 1, &prompt},
       {3, 3, 9, &pages_, 2, &few}},
      {},
      {ExitMeasure::kCandidates, ExitMeasure::kForced, ExitMeasure::kCandidates, ExitMeasure::kCandidates}};
  const auto measured = Run(fitted.get(), segment);
  ASSERT_EQ(measured.previews.size(), 4U);
  EXPECT_EQ(measured.previews[1], -1);
  ExpectSoftmaxOfHead(fitted.get(), measured);
  EXPECT_EQ(PromptCandidateTokens(prompt, frequent).size(), 150U);
  EXPECT_EQ(PromptCandidateTokens(few, frequent), std::vector<int32_t>{1}) << "298 is frequent";
  EXPECT_TRUE(measured.previews[3] == 1 || measured.previews[3] % 2 == 0);
}

TEST(CandidateTokens, OfALongPromptTheFirstDistinctOnesAreTaken) {
  std::vector<int32_t> prompt;
  for (int t = 5000; t >= 0; --t) prompt.insert(prompt.end(), {t, 7});
  const auto tokens = PromptCandidateTokens(prompt, std::vector<int32_t>{4999});
  ASSERT_EQ(tokens.size(), kMostPromptCandidates);
  EXPECT_EQ(tokens.front(), 7);
  EXPECT_EQ(tokens.back(), 5000);
  EXPECT_EQ(tokens[tokens.size() - 2], 4998);
  EXPECT_TRUE(std::is_sorted(tokens.begin(), tokens.end()));
}

TEST_F(ExitHeadsTest, DamagedAndForeignExitsAreRefusedByName) {
  const auto refuse = [&](const std::string& why) {
    const auto heads = ExitHeads::Load(directory_.string(), *source_, {0, 6}, nullptr);
    ASSERT_FALSE(heads.has_value()) << why;
    EXPECT_NE(heads.error().message.find(why), std::string::npos) << heads.error().message;
  };
  refuse("exits.json");
  WriteExits("another");
  refuse("fitted to model another");
  WriteJson(R"({"format": 1, "model": "", "exits": [{"layer": 6}]})");
  refuse("key 'layer': 6 is outside [1, 6)");
  WriteJson(R"({"format": 1, "exits": [{"layer": 3}, {"layer": 2}]})");
  refuse("2 does not follow 3");
  WriteJson(R"({"format": 1, "colour": 2})");
  refuse("'colour'");
  WriteJson(R"({"format": 1, "model": ")" + source_->ContentHash() +
            R"(", "exits": [{"layer": 3, "translator": true}]})");
  refuse("tensor 'exit.3.translator.weight' is missing");
  WriteJson(R"({"format": 1, "preview": {"rank": 48, "groups": 2}})");
  refuse("a multiple of 32");
  WriteJson(R"({"format": 1, "preview": {"rank": 64, "groups": 0}})");
  refuse("key 'groups': 0 is not a number in [1, 1024]");
  WriteJson(R"({"format": 1, "preview": {"rank": 64, "colour": 1}})");
  refuse("unknown key 'colour'");
  WriteJson(R"({"format": 1, "candidates": {"tokens": [3, 3]}})");
  refuse("key 'tokens': 3 is not a token in [4, ");
  WriteJson(R"({"format": 1, "candidates": {"tokens": []}})");
  refuse("key 'candidates': 0 tokens, not 1 to 8192");
}

}  // namespace
}  // namespace exeunt
