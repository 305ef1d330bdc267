#include "tests/golden/golden.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <fstream>
#include <numeric>
#include <sstream>

#include "backend/cpu/cpu_backend.h"
#include "base/check.h"
#include "kernels/cpu/ops.h"
#include "worker/process/local_pipeline.h"

namespace exeunt {
namespace {

namespace json = boost::json;

constexpr int kMaxTokens = 1024;
constexpr int kJobRows = 100;  // no multiple of a page or of an attention chunk

Noise ParseNoise(const json::value& v) {
  return {v.at("rms").to_number<double>(), v.at("max").to_number<double>(),
          v.at("gap_rms").to_number<double>(), v.at("gap_max").to_number<double>()};
}

GoldenSequence ParseSequence(const json::value& v) {
  GoldenSequence sequence;
  if (const json::value* name = v.as_object().if_contains("name")) sequence.name = name->as_string();
  sequence.tokens = json::value_to<std::vector<int32_t>>(v.at("tokens"));
  sequence.generated = json::value_to<std::vector<int32_t>>(v.at("generated"));
  for (const json::value& row : v.at("rows").as_array()) {
    sequence.rows.push_back({row.at("position").to_number<int>(),
                             json::value_to<std::vector<int32_t>>(row.at("ids")),
                             json::value_to<std::vector<double>>(row.at("logits"))});
  }
  return sequence;
}

Noise Scaled(const Noise& noise, double rms, double max) {
  return {noise.rms * rms, noise.max * max, noise.gap_rms * rms, noise.gap_max * max};
}

bool ReadsInt8(const Golden& golden, Weights weights) {
  return weights == Weights::kAsStored && golden.int8.has_value();
}

}  // namespace

Golden LoadGolden(const std::string& name) {
  const std::string path = std::string(EXEUNT_SOURCE_DIR) + "/tests/golden/data/" + name + ".json";
  const std::ifstream file(path);
  CHECK_MSG(file.is_open(), "{} is not there", path);
  std::stringstream text;
  text << file.rdbuf();
  const json::value root = json::parse(text.str());
  Golden golden;
  golden.model = root.at("model").as_string();
  golden.deviation = root.at("deviation").to_number<double>();
  const json::object& noise = root.at("noise").as_object();
  golden.f32 = ParseNoise(noise.at("f32"));
  if (const json::value* int8 = noise.if_contains("int8")) golden.int8 = ParseNoise(*int8);
  for (const json::value& sequence : root.at("sequences").as_array()) {
    golden.sequences.push_back(ParseSequence(sequence));
  }
  return golden;
}

Noise LimitOf(const Golden& golden, Weights weights) {
  if (ReadsInt8(golden, weights)) return Scaled(*golden.int8, 1.5, 2);
  return Scaled(golden.f32, golden.sequences.size() > 1 ? 1.5 : 3, 2);
}

double NearTie(const Golden& golden, Weights weights) {
  return 6 * (ReadsInt8(golden, weights) ? golden.int8->gap_rms : golden.f32.gap_rms);
}

Engine::Engine(std::shared_ptr<const ModelSource> source, Weights weights) {
  StageBuild build;
  n_layers_ = source->config().n_layers;
  build.layers = {0, n_layers_};
  build.source = std::move(source);
  build.kv_pages = kMaxTokens / kPageTokens;
  auto stage = MakeCpuBackend({.dequantise = weights == Weights::kF32})->Build(build);
  CHECK_MSG(stage.has_value(), "{}", stage.error().message);
  executor_ = std::move(stage->executor);
  pages_.resize(static_cast<size_t>(build.kv_pages));
  std::iota(pages_.rbegin(), pages_.rend(), 0);  // pages need not ascend
}

JobDone Engine::Run(Job job) {
  executor_->Submit(std::move(job));
  std::vector<JobDone> done;
  while (done.empty()) executor_->Poll(&done);
  CHECK_EQ(done.size(), size_t{1});
  return std::move(done[0]);
}

std::vector<std::vector<float>> Engine::Logits(const std::vector<int32_t>& tokens,
                                               const std::vector<int>& positions) {
  const int n = static_cast<int>(tokens.size());
  CHECK_LE(n, kMaxTokens);
  CHECK(executor_->Reserve(n).has_value());
  for (int begin = 0; begin < n; begin += kJobRows) {
    SegmentJob segment{0, n_layers_, true, {}, {}, {}};
    for (int p = begin; p < std::min(n, begin + kJobRows); ++p) {
      segment.run.push_back({p, p, tokens[static_cast<size_t>(p)], &pages_});
    }
    Run({0, std::move(segment)});
  }
  SamplingParams greedy;
  greedy.temperature = 0.0F;
  HeadJob head;
  for (const int p : positions)
    head.rows.push_back({p, n_layers_, static_cast<uint32_t>(p) + 1, &greedy, true});
  JobDone done = Run({0, std::move(head)});
  std::vector<std::vector<float>> logits;
  for (HeadRowResult& row : std::get<HeadJob>(done.job.work).results) logits.push_back(std::move(row.logits));
  return logits;
}

std::vector<std::vector<float>> LogitsOfRows(Engine* engine, const GoldenSequence& sequence) {
  std::vector<int32_t> tokens = sequence.tokens;
  if (!sequence.generated.empty()) {
    tokens.insert(tokens.end(), sequence.generated.begin(), sequence.generated.end() - 1);
  }
  std::vector<int> positions;
  for (const GoldenRow& row : sequence.rows) positions.push_back(row.position);
  return engine->Logits(tokens, positions);
}

void Differences::Add(const GoldenRow& golden, const std::vector<float>& ours) {
  const auto n = static_cast<double>(golden.ids.size());
  double first = 0;
  for (size_t i = 0; i < golden.ids.size(); ++i) {
    const double difference =
        static_cast<double>(ours[static_cast<size_t>(golden.ids[i])]) - golden.logits[i];
    if (i == 0) first = difference;
    squares_ += difference * difference / n;
    gap_squares_ += (difference - first) * (difference - first) / n;
    largest_.max = std::max(largest_.max, std::abs(difference));
    largest_.gap_max = std::max(largest_.gap_max, std::abs(difference - first));
  }
  ++rows_;
  count_ += golden.ids.size();
}

Noise Differences::Summary() const {
  const auto n = static_cast<double>(rows_);
  return {std::sqrt(squares_ / n), largest_.max, std::sqrt(gap_squares_ / n), largest_.gap_max};
}

}  // namespace exeunt
