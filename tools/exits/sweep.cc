#include "tools/exits/sweep.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <fstream>
#include <utility>

#include "base/error.h"
#include "base/sha256.h"
#include "base/write_file.h"
#include "certify/certificate.h"
#include "tools/batch_generation.h"
#include "tools/progress_bar.h"
#include "tools/prompt_file.h"

namespace exeunt::tools {
namespace {

class Sweep {
 public:
  explicit Sweep(const SweepRequest& request) : request_(request) {}
  Result<SweptAnswers> Run();

 private:
  Status Open();
  SweepHeader Header() const;
  Status Load();
  Status Generate();
  worker::SequenceSpec Spec(size_t setting, size_t prompt) const;
  void Keep(size_t setting, size_t prompt, const Generation& made);

  const SweepRequest& request_;
  std::shared_ptr<const ModelSource> source_;
  std::shared_ptr<const text::Tokenizer> tokenizer_;
  std::vector<PromptLine> lines_;
  std::string exits_hash_ = "none";
  SweptAnswers answers_;
  std::ofstream file_;
};

Status Sweep::Open() {
  ASSIGN_OR_RETURN(source_, request_.corpus.model.Open());
  ASSIGN_OR_RETURN(tokenizer_, text::OpenTokenizer(*source_));
  ASSIGN_OR_RETURN(lines_, ReadPromptFile(request_.corpus.prompts, request_.corpus.limit));
  if (!request_.exits_directory.empty()) {
    ASSIGN_OR_RETURN(exits_hash_, certify::ExitsHash(request_.exits_directory));
  }
  answers_.assign(request_.settings.size(), std::vector<SweptAnswer>(lines_.size()));
  return OkStatus();
}

SweepHeader Sweep::Header() const {
  Sha256 prompts;
  for (const PromptLine& line : lines_) prompts.Update(line.prompt.c_str(), line.prompt.size() + 1);
  return {source_->ContentHash(), exits_hash_, prompts.Hex(), request_.corpus.max_tokens,
          fmt::format("{}", fmt::join(request_.exit_layers, ","))};
}

// A last line that was cut short is generated again.
Status Sweep::Load() {
  const std::string header = ToJson(Header());
  std::string kept = header + "\n";
  if (std::filesystem::exists(request_.file)) {
    ASSIGN_OR_RETURN(const SweepFile file, ReadSweepFile(request_.file));
    if (ToJson(file.header) != header) {
      return InvalidArgument("{}: is a sweep of something else: {}; wanted: {}", request_.file,
                             ToJson(file.header), header);
    }
    for (const SweepLine& line : file.lines) {
      kept += ToJson(line) + "\n";
      for (size_t s = 0; s < answers_.size(); ++s) {
        if (SettingName(request_.settings[s]) == line.setting && line.prompt < lines_.size()) {
          answers_[s][line.prompt] = line.answer;
        }
      }
    }
  }
  RETURN_IF_ERROR(WriteFile(request_.file, kept));
  file_.open(request_.file, std::ios::app);
  if (!file_) return Unavailable("{}: cannot be written", request_.file);
  return OkStatus();
}

worker::SequenceSpec Sweep::Spec(size_t setting, size_t prompt) const {
  worker::SequenceSpec spec;
  spec.sequence = prompt * answers_.size() + setting + 1;
  spec.prompt = tokenizer_->Encode(lines_[prompt].prompt, /*add_special=*/true, /*parse_special=*/true);
  spec.max_tokens = request_.corpus.max_tokens;
  spec.sampling.temperature = 0.0F;
  spec.end_tokens = tokenizer_->end_tokens();
  spec.exit = request_.settings[setting];
  return spec;
}

void Sweep::Keep(size_t setting, size_t prompt, const Generation& made) {
  SweptAnswer& answer = answers_[setting][prompt];
  answer.done = true;
  for (const int layer : made.exit_layers) ++answer.exits[layer];
  text::Detokenizer detokenizer(tokenizer_, false, true);
  for (const int32_t token : made.tokens) answer.text += detokenizer.Push(token);
  answer.text += detokenizer.Flush();
  file_ << ToJson(SweepLine{SettingName(request_.settings[setting]), prompt, answer}) << std::endl;
}

Status Sweep::Generate() {
  const ModelConfig& model = source_->config();
  worker::LocalPipelineOptions options;
  const worker::SequenceLimits limits = worker::LimitsOf(model, options.backend->info());
  std::vector<worker::SequenceSpec> specs;
  int positions = 1;
  for (size_t p = 0; p < lines_.size(); ++p) {
    bool opened = false;  // the last spec has the prompt's last setting, the likeliest to be open
    for (size_t s = 0; s < answers_.size(); ++s) {
      if (answers_[s][p].done) continue;
      worker::SequenceSpec spec = Spec(s, p);
      if (std::exchange(opened, true)) SharePrompt(specs.back(), &spec);
      // This is the same check as a worker's.
      const Status valid = worker::Validate(spec, limits);
      if (!valid)
        return Annotate(valid.error(), fmt::format("{}: prompt {}", request_.corpus.prompts, p + 1));
      positions = std::max(positions, spec.positions());
      specs.push_back(std::move(spec));
    }
  }
  if (specs.empty()) return OkStatus();
  options.split = {{0, model.n_layers}};
  options.exit_layers = request_.exit_layers;
  options.exits_directory = request_.exits_directory;
  options.threads = request_.corpus.threads;
  options.kv_pages = PagesFor(request_.corpus.streams, positions);
  ASSIGN_OR_RETURN(const auto pipeline, worker::LocalPipeline::Create(source_, options, [](float) {}));
  ProgressBar bar("generating", specs.size());
  std::vector<uint64_t> numbers;
  for (const worker::SequenceSpec& spec : specs) numbers.push_back(spec.sequence - 1);
  return GenerateAll(pipeline.get(), std::move(specs), request_.corpus.streams,
                     [&](size_t i, const Generation& made) {
                       Keep(numbers[i] % answers_.size(), numbers[i] / answers_.size(), made);
                       bar.Advance();
                     });
}

Result<SweptAnswers> Sweep::Run() {
  for (const auto step : {&Sweep::Open, &Sweep::Load, &Sweep::Generate}) {
    const Status done = (this->*step)();
    if (!done) return done.error();
  }
  return std::move(answers_);
}

}  // namespace

Result<SweptAnswers> RunSweep(const SweepRequest& request) { return Sweep(request).Run(); }

}  // namespace exeunt::tools
