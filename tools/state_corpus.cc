#include "tools/state_corpus.h"

#include <algorithm>

#include "base/error.h"
#include "tools/batch_generation.h"
#include "tools/progress_bar.h"
#include "tools/prompt_file.h"

namespace exeunt {

void CorpusOptions::AddTo(CLI::App* app) {
  model.AddTo(app);
  app->add_option("--prompts", prompts, R"(JSONL file, {"prompt": text} a line)")->required();
  app->add_option("--limit", limit, "prompts that are read; 0: all")->capture_default_str();
  app->add_option("-n,--max-tokens", max_tokens, "tokens of an answer at most")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  app->add_option("--streams", streams, "answers that are generated at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 512));
  app->add_option("--threads", threads, "compute threads")->capture_default_str()->check(CLI::Range(1, 1024));
}

Result<std::shared_ptr<const Tokenizer>> OpenTokenizer(const ModelSource& source) {
  return source.directory().empty() ? Tokenizer::FromGguf(source.metadata())
                                    : Tokenizer::FromHfDirectory(source.directory());
}

Result<std::unique_ptr<StateCorpus>> StateCorpus::Create(const CorpusOptions& options) {
  std::unique_ptr<StateCorpus> corpus(new StateCorpus);
  ASSIGN_OR_RETURN(corpus->source_, options.model.Open());
  const Status generated = corpus->Generate(options);
  if (!generated.has_value()) return generated.error();
  size_t longest = 1;
  for (const Answer& answer : corpus->answers_) longest = std::max(longest, answer.ids.size());
  ASSIGN_OR_RETURN(corpus->reader_,
                   StateReader::Create(corpus->source_, options.threads, static_cast<int>(longest)));
  return corpus;
}

Status StateCorpus::Generate(const CorpusOptions& options) {
  ASSIGN_OR_RETURN(const auto tokenizer, OpenTokenizer(*source_));
  ASSIGN_OR_RETURN(const auto lines, ReadPromptFile(options.prompts, options.limit));
  const ModelConfig& model = source_->config();
  std::vector<SequenceSpec> specs;
  int positions = 1;
  for (size_t i = 0; i < lines.size(); ++i) {
    SequenceSpec spec;
    spec.sequence = i + 1;
    spec.prompt = tokenizer->Encode(lines[i].prompt, true, false);
    spec.max_tokens = options.max_tokens;
    spec.sampling.temperature = 0.0F;
    spec.end_tokens = tokenizer->end_tokens();
    // The same border that a worker has.
    auto checked = FromProto(ToProto(spec), {model.context_length, model.vocab_size, model.n_layers});
    if (!checked) return Annotate(checked.error(), fmt::format("{}: prompt {}", options.prompts, i + 1));
    positions = std::max(positions, spec.positions());
    answers_.push_back({spec.prompt, spec.prompt_tokens()});
    specs.push_back(std::move(spec));
  }
  LocalPipelineOptions pipeline_options;
  pipeline_options.split = {{0, model.n_layers}};
  pipeline_options.threads = options.threads;
  pipeline_options.kv_pages = PagesFor(options.streams, positions);
  ASSIGN_OR_RETURN(const auto pipeline, LocalPipeline::Create(source_, pipeline_options, [](float) {}));
  ProgressBar bar("generating", specs.size());
  return GenerateAll(pipeline.get(), std::move(specs), options.streams,
                     [&](size_t i, const Generation& made) {
                       answers_[i].ids.insert(answers_[i].ids.end(), made.tokens.begin(), made.tokens.end());
                       bar.Advance();
                     });
}

size_t StateCorpus::tokens(AnswerRange range) const {
  size_t sum = 0;
  for (size_t i = range.begin; i < range.end; ++i)
    sum += answers_[i].ids.size() - static_cast<size_t>(answers_[i].prompt_tokens);
  return sum;
}

void StateCorpus::ForEach(AnswerRange range, const std::vector<int>& depths, const char* what,
                          const std::function<void(const AnswerStates&)>& visit) {
  const auto d = static_cast<size_t>(source_->config().d_model);
  ProgressBar bar(what, range.end - range.begin);
  AnswerStates states;
  for (size_t i = range.begin; i < range.end; ++i) {
    const Answer& answer = answers_[i];
    const auto prompt = static_cast<size_t>(answer.prompt_tokens);
    states.rows = static_cast<int>(answer.ids.size() - prompt);
    states.tokens = answer.ids.data() + prompt;
    // The last token was said and never run.
    reader_->Read({answer.ids.data(), answer.ids.size() - 1}, answer.prompt_tokens - 1, depths,
                  [&](int depth, const float* x) {
                    states.at[depth].assign(x, x + static_cast<size_t>(states.rows) * d);
                  });
    visit(states);
    bar.Advance();
  }
}

}  // namespace exeunt
