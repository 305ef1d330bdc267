#include "tools/sweep.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <utility>

#include "base/error.h"
#include "certify/certificate.h"
#include "model/json.h"
#include "model/sha256.h"
#include "tools/batch_generation.h"
#include "tools/progress_bar.h"
#include "tools/prompt_file.h"

namespace exeunt {
namespace {

class Sweep {
 public:
  explicit Sweep(const SweepRequest& request) : request_(request) {}
  Result<std::vector<std::vector<SweptAnswer>>> Run();

 private:
  Status Open();
  std::string Description() const;
  Status Load();
  Status LoadLine(const std::string& line);
  Status Generate();
  SequenceSpec Spec(size_t candidate, size_t prompt) const;
  void Keep(size_t candidate, size_t prompt, const Generation& made);

  const SweepRequest& request_;
  std::shared_ptr<const ModelSource> source_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::vector<PromptLine> lines_;
  std::string exits_hash_ = "none";
  std::vector<std::vector<SweptAnswer>> answers_;
  std::ofstream file_;
};

Status Sweep::Open() {
  ASSIGN_OR_RETURN(source_, request_.corpus.model.Open());
  ASSIGN_OR_RETURN(tokenizer_, OpenTokenizer(*source_));
  ASSIGN_OR_RETURN(lines_, ReadPromptFile(request_.corpus.prompts, request_.corpus.limit));
  if (!request_.exits_directory.empty()) {
    ASSIGN_OR_RETURN(exits_hash_, ExitsHash(request_.exits_directory));
  }
  answers_.assign(request_.candidates.size(), std::vector<SweptAnswer>(lines_.size()));
  return OkStatus();
}

// Everything that an answer depends on but its candidate.
std::string Sweep::Description() const {
  Sha256 prompts;
  for (const PromptLine& line : lines_) prompts.Update(line.prompt.c_str(), line.prompt.size() + 1);
  const ExitSetting& base = request_.base;
  const std::string decay = base.decay ? fmt::format("{}/{}", base.decay->tau, base.decay->n) : "none";
  return boost::json::serialize(
      boost::json::object{{"model", source_->ContentHash()},
                          {"exits", exits_hash_},
                          {"prompts", prompts.Hex()},
                          {"max_tokens", request_.corpus.max_tokens},
                          {"exit_layers", fmt::format("{}", fmt::join(request_.exit_layers, ","))},
                          {"mode", ExitModeName(base.mode)},
                          {"measure", ExitMeasureName(base.measure)},
                          {"min_layer", base.min_layer},
                          {"decay", decay}});
}

Status Sweep::LoadLine(const std::string& line) {
  ASSIGN_OR_RETURN(const auto object, ParseJsonObject(line));
  const auto* name = object.if_contains("candidate");
  const auto* prompt = object.if_contains("prompt");
  const auto* tokens = object.if_contains("tokens");
  const auto* layers = object.if_contains("layers");
  const auto* text = object.if_contains("text");
  if (name == nullptr || !name->is_string() || prompt == nullptr || !prompt->is_int64() ||
      tokens == nullptr || !tokens->is_int64() || layers == nullptr || !layers->is_int64() ||
      text == nullptr || !text->is_string()) {
    return DataLoss("not a generation: {}", JsonText(object));
  }
  const auto at = static_cast<size_t>(prompt->get_int64());
  for (size_t c = 0; c < answers_.size(); ++c) {
    if (request_.candidates[c].Name() != std::string_view(name->get_string()) || at >= lines_.size())
      continue;
    answers_[c][at] = {true, static_cast<int>(tokens->get_int64()), layers->get_int64(),
                       std::string(text->get_string())};
  }
  return OkStatus();
}

// A last line that a kill cut short is dropped; it is generated again.
Status Sweep::Load() {
  const std::string description = Description();
  std::ifstream in(request_.file);
  std::string kept = description + "\n";
  if (in) {
    std::string line;
    if (!std::getline(in, line) || line != description) {
      return InvalidArgument("{}: is a sweep of something else: {}; wanted: {}", request_.file, line,
                             description);
    }
    while (std::getline(in, line) && !in.eof()) {
      const Status loaded = LoadLine(line);
      if (!loaded) return Annotate(loaded.error(), request_.file);
      kept += line + "\n";
    }
  }
  std::ofstream(request_.file + ".new") << kept;
  std::error_code error;
  std::filesystem::rename(request_.file + ".new", request_.file, error);
  file_.open(request_.file, std::ios::app);
  if (error || !file_) return Unavailable("{}: cannot be written", request_.file);
  return OkStatus();
}

SequenceSpec Sweep::Spec(size_t candidate, size_t prompt) const {
  SequenceSpec spec;
  spec.sequence = prompt * answers_.size() + candidate + 1;
  spec.prompt = tokenizer_->Encode(lines_[prompt].prompt, true, false);
  spec.max_tokens = request_.corpus.max_tokens;
  spec.sampling.temperature = 0.0F;
  spec.end_tokens = tokenizer_->end_tokens();
  spec.exit = request_.candidates[candidate].Setting(request_.base);
  return spec;
}

void Sweep::Keep(size_t candidate, size_t prompt, const Generation& made) {
  SweptAnswer& answer = answers_[candidate][prompt];
  answer = {.done = true, .tokens = static_cast<int>(made.tokens.size())};
  for (const int layer : made.exit_layers) answer.layers += layer;
  Detokenizer detokenizer(tokenizer_, false, true);
  for (const int32_t token : made.tokens) answer.text += detokenizer.Push(token);
  answer.text += detokenizer.Flush();
  file_ << boost::json::serialize(boost::json::object{{"candidate", request_.candidates[candidate].Name()},
                                                      {"prompt", prompt},
                                                      {"tokens", answer.tokens},
                                                      {"layers", answer.layers},
                                                      {"text", answer.text}})
        << std::endl;
}

Status Sweep::Generate() {
  const ModelConfig& model = source_->config();
  std::vector<SequenceSpec> specs;
  int positions = 1;
  for (size_t p = 0; p < lines_.size(); ++p) {
    bool opened = false;  // the prompt's last candidate is the last spec: the likeliest to be open still
    for (size_t c = 0; c < answers_.size(); ++c) {
      if (answers_[c][p].done) continue;
      SequenceSpec spec = Spec(c, p);
      if (std::exchange(opened, true)) SharePrompt(specs.back(), &spec);
      // The same border that a worker has.
      auto checked = FromProto(ToProto(spec), {model.context_length, model.vocab_size, model.n_layers});
      if (!checked)
        return Annotate(checked.error(), fmt::format("{}: prompt {}", request_.corpus.prompts, p + 1));
      positions = std::max(positions, spec.positions());
      specs.push_back(std::move(spec));
    }
  }
  if (specs.empty()) return OkStatus();
  LocalPipelineOptions options;
  options.split = {{0, model.n_layers}};
  options.exit_layers = request_.exit_layers;
  options.exits_directory = request_.exits_directory;
  options.threads = request_.corpus.threads;
  options.kv_pages = PagesFor(request_.corpus.streams, positions);
  ASSIGN_OR_RETURN(const auto pipeline, LocalPipeline::Create(source_, options, [](float) {}));
  ProgressBar bar("generating", specs.size());
  std::vector<uint64_t> numbers;
  for (const SequenceSpec& spec : specs) numbers.push_back(spec.sequence - 1);
  return GenerateAll(pipeline.get(), std::move(specs), request_.corpus.streams,
                     [&](size_t i, const Generation& made) {
                       Keep(numbers[i] % answers_.size(), numbers[i] / answers_.size(), made);
                       bar.Advance();
                     });
}

Result<std::vector<std::vector<SweptAnswer>>> Sweep::Run() {
  for (const auto step : {&Sweep::Open, &Sweep::Load, &Sweep::Generate}) {
    const Status done = (this->*step)();
    if (!done) return done.error();
  }
  return std::move(answers_);
}

}  // namespace

ExitSetting Candidate::Setting(const ExitSetting& base) const {
  if (off) return {};
  ExitSetting setting = base;
  setting.threshold = threshold;
  return setting;
}

std::string Candidate::Name() const { return off ? "off" : fmt::format("{}", threshold); }

Result<std::vector<std::vector<SweptAnswer>>> RunSweep(const SweepRequest& request) {
  return Sweep(request).Run();
}

}  // namespace exeunt
