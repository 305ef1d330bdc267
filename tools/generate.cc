// The verb `generate` runs one process with a loopback pipeline. It streams the text to the terminal and
// prints exit statistics. Its callback sets `status` to the verb's exit status.
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <string>

#include "backend/cpu/cpu_backend.h"
#include "base/error.h"
#include "costs/layer_split.h"
#include "kernels/kv_layout.h"
#include "text/chat_rendering.h"
#include "text/chat_template.h"
#include "text/open_tokenizer.h"
#include "tools/exit_options.h"
#include "tools/model_options.h"
#include "tools/verbs.h"
#include "worker/process/local_pipeline.h"

namespace exeunt::tools {
namespace {

struct GenerateOptions {
  ModelOptions model;
  std::string prompt;
  bool chat = false;
  std::string chat_template;
  int max_tokens = 128;
  int stages = 1;
  int threads = 1;
  std::string split = "auto";
  std::string exit_layers = "auto";
  std::string exits_directory;
  bool f32_weights = false;
  SamplingParams sampling{.temperature = 0.0F};
  ExitOptions exit;
  bool show_exits = false;
  bool quiet = false;
};

// Returns the template of --chat-template, or the model's own.
Result<std::shared_ptr<const text::ChatTemplate>> OpenChatTemplate(const text::Tokenizer& tokenizer,
                                                                   const std::string& file) {
  const text::ChatTemplateText& own = tokenizer.chat_template();
  if (!file.empty()) return text::ChatTemplate::FromFile(file);
  if (!own.problem.empty()) return InvalidArgument("--chat: {}: {}", own.source, own.problem);
  if (own.text.empty()) return InvalidArgument("--chat: the model has no chat template");
  auto parsed = text::ChatTemplate::Parse(own.text);
  if (!parsed) return Annotate(parsed.error(), "--chat: " + own.source);
  return parsed;
}

Result<std::string> AsChat(const text::Tokenizer& tokenizer, const GenerateOptions& options) {
  ASSIGN_OR_RETURN(const auto chat, OpenChatTemplate(tokenizer, options.chat_template));
  const boost::json::array messages{boost::json::object{{"role", "user"}, {"content", options.prompt}}};
  return text::RenderChat(*chat, messages, tokenizer.special_tokens(), {});
}

// Returns text in 256-colour codes from deep blue (early exits) to the terminal's own colour (all layers).
std::string Coloured(const std::string& text, int layer, int n_layers) {
  if (layer >= n_layers) return text;
  static constexpr int kRamp[] = {196, 202, 208, 214, 220, 190, 118, 48, 51, 45};
  const int step = layer * static_cast<int>(std::size(kRamp)) / n_layers;
  return fmt::format("\x1b[38;5;{}m{}\x1b[0m", kRamp[step], text);
}

void PrintStatistics(const std::map<int, int>& by_layer, int n_layers, double seconds, int prompt_tokens) {
  int tokens = 0;
  double layers = 0;
  for (const auto& [layer, count] : by_layer) {
    tokens += count;
    layers += static_cast<double>(layer) * count;
  }
  std::fprintf(stderr, "\n%d prompt tokens, %d generated in %.2f s (%.1f tokens/s)\n", prompt_tokens, tokens,
               seconds, tokens / seconds);
  if (tokens == 0) return;
  std::fprintf(stderr, "mean layers %.2f of %d; tokens by layer:", layers / tokens, n_layers);
  for (const auto& [layer, count] : by_layer) std::fprintf(stderr, " %d:%d", layer, count);
  std::fprintf(stderr, "\n");
}

Status Generate(const GenerateOptions& options) {
  ASSIGN_OR_RETURN(const auto source, options.model.Open());
  const ModelConfig& model = source->config();
  ASSIGN_OR_RETURN(const auto tokenizer, text::OpenTokenizer(*source));
  std::string prompt = options.prompt;
  if (options.chat) {
    ASSIGN_OR_RETURN(prompt, AsChat(*tokenizer, options));
  }
  worker::SequenceSpec spec;
  spec.sequence = 1;
  spec.prompt = tokenizer->Encode(prompt, /*add_special=*/!options.chat, /*parse_special=*/true);
  spec.max_tokens = options.max_tokens;
  spec.sampling = options.sampling;
  spec.end_tokens = tokenizer->end_tokens();
  ASSIGN_OR_RETURN(spec.exit, options.exit.Parse(model.n_layers));

  worker::LocalPipelineOptions pipeline_options;
  pipeline_options.backend = MakeCpuBackend({.dequantise = options.f32_weights});
  // The request is checked before its positions are counted.
  RETURN_IF_ERROR(worker::Validate(spec, worker::LimitsOf(model, pipeline_options.backend->info())));
  ASSIGN_OR_RETURN(pipeline_options.split, ParseSplit(options.split, {.stages = options.stages,
                                                                      .n_layers = model.n_layers,
                                                                      .costs = EstimateLayerCosts(model)}));
  ASSIGN_OR_RETURN(pipeline_options.exit_layers,
                   ChooseExitLayers(options.exit_layers, options.exits_directory, model.n_layers));
  pipeline_options.exits_directory = options.exits_directory;
  pipeline_options.threads = options.threads;
  pipeline_options.kv_pages = spec.positions() / kPageTokens + 1;
  const bool progress = !options.quiet && isatty(STDERR_FILENO) != 0;
  ASSIGN_OR_RETURN(const auto pipeline,
                   worker::LocalPipeline::Create(source, pipeline_options, [progress](float f) {
                     if (progress) std::fprintf(stderr, "\rloading %3.0f %%", static_cast<double>(f) * 100);
                   }));
  if (progress) std::fprintf(stderr, "\r             \r");

  text::Detokenizer detokenizer(tokenizer, false, true);
  std::map<int, int> by_layer;
  const int prompt_tokens = spec.prompt_tokens();
  const TimePoint begin = MonotonicNow();
  RETURN_IF_ERROR(pipeline->Generate(spec, [&](const worker::TokenOut& t) {
    ++by_layer[t.exit_layer];
    if (spec.IsEnd(t.token)) return;
    const std::string text = detokenizer.Push(t.token);
    std::fputs(options.show_exits ? Coloured(text, t.exit_layer, model.n_layers).c_str() : text.c_str(),
               stdout);
    std::fflush(stdout);
  }));
  std::puts(detokenizer.Flush().c_str());
  if (!options.quiet) {
    PrintStatistics(by_layer, model.n_layers, Seconds(MonotonicNow() - begin), prompt_tokens);
  }
  return OkStatus();
}

}  // namespace

void AddGenerate(CLI::App* app, int* status) {
  auto options = std::make_shared<GenerateOptions>();
  CLI::App* verb = app->add_subcommand("generate", "Generate text in one process, over a loopback pipeline");
  options->model.AddTo(verb);
  verb->add_option("-p,--prompt", options->prompt, "prompt text")->required();
  verb->add_flag("--chat", options->chat,
                 "render the prompt as a user's message with the model's chat template");
  verb->add_option("--chat-template", options->chat_template, "file of another Jinja template for --chat");
  verb->add_option("-n,--max-tokens", options->max_tokens, "tokens to generate at most")
      ->capture_default_str();
  verb->add_option("--stages", options->stages, "pipeline stages")->capture_default_str();
  verb->add_option("--threads", options->threads, "compute threads a stage")->capture_default_str();
  verb->add_option("--split", options->split, "layers of the stages: auto, even, or 0-12,12-30")
      ->capture_default_str();
  verb->add_option("--exit-layers", options->exit_layers, "exits after these layers: auto, none, or 15,21")
      ->capture_default_str();
  verb->add_option("--exits", options->exits_directory, "directory with exits.json and exits.safetensors");
  verb->add_flag("--f32-weights", options->f32_weights,
                 "compute with the file's numbers in F32: slow; shows what quantised arithmetic costs");
  verb->add_option("--temperature", options->sampling.temperature, "0: greedy")->capture_default_str();
  verb->add_option("--top-p", options->sampling.top_p)->capture_default_str();
  verb->add_option("--top-k", options->sampling.top_k)->capture_default_str();
  verb->add_option("--min-p", options->sampling.min_p)->capture_default_str();
  verb->add_option("--seed", options->sampling.seed)->capture_default_str();
  options->exit.AddTo(verb);
  verb->add_flag("--show-exits", options->show_exits, "colour every token by the layer that it left at");
  verb->add_flag("-q,--quiet", options->quiet, "text only");
  verb->callback([options, status] { *status = Report("generate", Generate(*options)); });
}

}  // namespace exeunt::tools
