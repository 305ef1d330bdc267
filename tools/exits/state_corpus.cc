#include "tools/exits/state_corpus.h"

#include <algorithm>

#include "backend/cpu/cpu_backend.h"
#include "base/error.h"
#include "costs/layer_split.h"
#include "tools/batch_generation.h"
#include "tools/progress_bar.h"
#include "tools/prompt_file.h"
#include "tools/rank_generation.h"
#include "transport/mpi/mpi_collective.h"

namespace exeunt::tools {

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
  app->add_option("--threads", threads, "compute threads a rank")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app->add_option("--split", split, "layers of the ranks under mpirun: auto, even, or 0-12,12-30")
      ->capture_default_str();
}

Result<std::unique_ptr<StateCorpus>> StateCorpus::Create(const CorpusOptions& options,
                                                         const transport::MpiSession& mpi) {
  std::unique_ptr<StateCorpus> corpus(new StateCorpus);
  corpus->rank_ = mpi.rank();
  corpus->channel_ = transport::MakeMpiChannel();
  ASSIGN_OR_RETURN(corpus->source_, options.model.Open());
  const ModelConfig& model = corpus->source_->config();
  ASSIGN_OR_RETURN(const auto split, ParseSplit(options.split, {.stages = mpi.ranks(),
                                                                .n_layers = model.n_layers,
                                                                .costs = EstimateLayerCosts(model)}));
  RETURN_IF_ERROR(corpus->Generate(options, split));
  size_t longest = 1;
  for (const Answer& answer : corpus->answers_) longest = std::max(longest, answer.ids.size());
  const int max_tokens = transport::MpiBroadcast(static_cast<int>(longest));
  ASSIGN_OR_RETURN(corpus->reader_,
                   StateReader::Create(corpus->source_, split[static_cast<size_t>(mpi.rank())],
                                       corpus->leads(), options.threads, max_tokens));
  corpus->relay_.emplace(corpus->reader_.get(), corpus->channel_.get(), mpi.rank(), mpi.ranks());
  return corpus;
}

StateCorpus::~StateCorpus() {
  if (relay_ && leads()) relay_->End();
}

// Every rank calls it. Rank 0 gets the answers.
Status StateCorpus::Generate(const CorpusOptions& options, const std::vector<LayerSpan>& split) {
  ASSIGN_OR_RETURN(const auto tokenizer, text::OpenTokenizer(*source_));
  ASSIGN_OR_RETURN(const auto lines, ReadPromptFile(options.prompts, options.limit));
  const ModelConfig& model = source_->config();
  const auto backend = MakeCpuBackend();
  std::vector<worker::SequenceSpec> specs;
  int positions = 1;
  for (size_t i = 0; i < lines.size(); ++i) {
    worker::SequenceSpec spec;
    spec.sequence = i + 1;
    spec.prompt = tokenizer->Encode(lines[i].prompt, /*add_special=*/true, /*parse_special=*/true);
    spec.max_tokens = options.max_tokens;
    spec.sampling.temperature = 0.0F;
    spec.end_tokens = tokenizer->end_tokens();
    // This is the same check as a worker's.
    const Status valid = worker::Validate(spec, worker::LimitsOf(model, backend->info()));
    if (!valid) return Annotate(valid.error(), fmt::format("{}: prompt {}", options.prompts, i + 1));
    positions = std::max(positions, spec.positions());
    answers_.push_back({spec.prompt, spec.prompt_tokens()});
    specs.push_back(std::move(spec));
  }
  StageBuild build;
  build.source = source_;
  build.layers = split[static_cast<size_t>(rank_)];
  build.kv_pages = PagesFor(options.streams, positions);
  build.threads = options.threads;
  build.progress = [this] { channel_->Progress(); };
  ASSIGN_OR_RETURN(StageExecutor stage, backend->Build(build));
  const CalmExitPolicy policy;
  worker::StageRunner runner(worker::MakeStageConfig(backend->info(), build, split, rank_, 1), &policy,
                             std::move(stage.executor), channel_.get());
  ProgressBar bar("generating", specs.size());
  ASSIGN_OR_RETURN(const auto said, GenerateOverRanks(&runner, rank_, std::move(specs), options.streams,
                                                      [&bar] { bar.Advance(); }));
  for (size_t i = 0; i < said.size(); ++i)
    answers_[i].ids.insert(answers_[i].ids.end(), said[i].begin(), said[i].end());
  return OkStatus();
}

size_t StateCorpus::tokens(AnswerRange range) const {
  size_t sum = 0;
  for (size_t i = range.begin; i < range.end; ++i)
    sum += answers_[i].ids.size() - static_cast<size_t>(answers_[i].prompt_tokens);
  return sum;
}

Status StateCorpus::ForEach(AnswerRange range, const std::vector<int>& depths, const char* what,
                            const std::function<void(const AnswerStates&)>& visit) {
  ProgressBar bar(what, range.end - range.begin);
  return relay_->Run(
      range.end - range.begin,
      [&](size_t i) -> StateRelay::Request {
        const Answer& answer = answers_[range.begin + i];
        // The last token was drawn and never run.
        return {{answer.ids.data(), answer.ids.size() - 1}, answer.prompt_tokens - 1};
      },
      depths,
      [&](size_t i, const StateRelay::States& at) {
        const Answer& answer = answers_[range.begin + i];
        const auto prompt = static_cast<size_t>(answer.prompt_tokens);
        visit({static_cast<int>(answer.ids.size() - prompt),
               at,
               answer.ids.data() + prompt,
               {answer.ids.begin(), answer.ids.begin() + answer.prompt_tokens}});
        bar.Advance();
      });
}

std::span<const int32_t> StateCorpus::said(size_t answer) const {
  const Answer& a = answers_[answer];
  return std::span(a.ids).subspan(static_cast<size_t>(a.prompt_tokens));
}

}  // namespace exeunt::tools
