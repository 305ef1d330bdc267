// Embeds the engine: loads a model, runs a pipeline of two stages in this process and prints the text as it comes.
//   embed MODEL PROMPT [THRESHOLD]     a token that is as certain as THRESHOLD leaves early; without it none does
#include <cstdio>
#include <cstdlib>

#include "text/open_tokenizer.h"
#include "worker/process/local_pipeline.h"

static exeunt::Status Run(const char* path, const char* prompt, const char* threshold) {
  ASSIGN_OR_RETURN(const auto source, exeunt::ModelSource::Open(path));
  ASSIGN_OR_RETURN(const auto tokenizer, exeunt::text::OpenTokenizer(*source));
  const exeunt::ModelConfig& model = source->config();
  exeunt::worker::SequenceSpec spec{{.prompt = tokenizer->Encode(prompt, true, true), .max_tokens = 48}, 1};
  spec.sampling.temperature = 0.0F;  // greedy
  spec.end_tokens = tokenizer->end_tokens();
  if (threshold) {
    spec.exit.mode = exeunt::ExitMode::kPropagate;
    spec.exit.threshold = std::strtof(threshold, nullptr);
  }

  const int middle = model.n_layers / 2;
  exeunt::worker::LocalPipelineOptions options{.split = {{0, middle}, {middle, model.n_layers}}};
  ASSIGN_OR_RETURN(options.exit_layers, exeunt::ParseExitLayers("auto", model.n_layers));
  ASSIGN_OR_RETURN(const auto pipeline, exeunt::worker::LocalPipeline::Create(source, options, [](float) {}));
  exeunt::text::Detokenizer text(tokenizer, /*render_special=*/false, /*continues=*/true);
  RETURN_IF_ERROR(pipeline->Generate(spec, [&](const exeunt::worker::TokenOut& t) {
    if (!spec.IsEnd(t.token)) std::fputs(text.Push(t.token).c_str(), stdout);
  }));
  std::puts(text.Flush().c_str());
  return exeunt::OkStatus();
}

int main(int argc, char** argv) {
  if (argc < 3) return std::fputs("usage: embed MODEL PROMPT [THRESHOLD]\n", stderr), 2;
  const exeunt::Status status = Run(argv[1], argv[2], argc > 3 ? argv[3] : nullptr);
  if (!status) std::fprintf(stderr, "embed: %s\n", status.error().message.c_str());
  return status ? 0 : 1;
}
