// A workload on llama.cpp, and its rate. Its settings are the library's defaults: K/V of F16, a K/V buffer
// per stream, flash attention where it is supported. A failure ends the process with a message.
#pragma once

#include <llama.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

[[noreturn]] inline void Die(const std::string& message) {
  std::fprintf(stderr, "llama_driver: %s\n", message.c_str());
  std::exit(1);
}

inline int ParseInt(const std::string& text, int max, const std::string& what) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || *end != '\0' || value < 1 || value > max) {
    Die(what + " is '" + text + "', expected 1 to " + std::to_string(max));
  }
  return value;
}

// Prompts of random tokens, then greedy steps of one token a stream.
struct Workload {
  std::string name;
  int streams = 1, prompt_tokens = 0, steps = 0, uncounted_steps = 0;
};

// prefill:N, decode:B or context:N.
inline Workload ParseWorkload(const std::string& name) {
  const std::string kind = name.substr(0, name.find(':'));
  const std::string count = name.substr(std::min(kind.size() + 1, name.size()));
  const auto up_to = [&](int max) { return ParseInt(count, max, "the number in " + name); };
  if (kind == "prefill") return {.name = name, .prompt_tokens = up_to(2048)};
  if (kind == "context") return {.name = name, .prompt_tokens = up_to(1 << 20), .steps = 32};
  if (kind != "decode") Die("unknown workload '" + name + "', expected prefill:N, decode:B or context:N");
  const int streams = up_to(static_cast<int>(llama_max_parallel_sequences()));
  return {.name = name, .streams = streams, .prompt_tokens = 16, .steps = 128, .uncounted_steps = 1};
}

// With vectors, so that the search costs next to nothing beside the model.
inline llama_token ArgMax(const float* logits, int vocab) {
  float max = logits[0];
#pragma omp simd reduction(max : max)
  for (int i = 1; i < vocab; ++i) max = logits[i] > max ? logits[i] : max;
  return static_cast<llama_token>(std::find(logits, logits + vocab, max) - logits);
}

// A workload in a context of its own. The model outlives it.
class Bench {
 public:
  Bench(llama_model* model, const Workload& workload, int threads, int ubatch_tokens)
      : workload_(workload),
        vocab_(llama_vocab_n_tokens(llama_model_get_vocab(model))),
        batch_tokens_(std::clamp(workload.streams * workload.prompt_tokens, 512, 2048)),
        batch_(llama_batch_init(batch_tokens_, 0, 1)) {
    const int positions = workload.prompt_tokens + workload.steps, limit = llama_model_n_ctx_train(model);
    if (positions > limit) Die(workload.name + " is beyond the model's context of " + std::to_string(limit));
    llama_context_params params = llama_context_default_params();
    params.n_seq_max = static_cast<uint32_t>(workload.streams);
    params.n_ctx =
        static_cast<uint32_t>(GGML_PAD(positions, 256) * workload.streams);  // 256: its granularity
    params.n_batch = static_cast<uint32_t>(batch_tokens_);
    params.n_ubatch = static_cast<uint32_t>(ubatch_tokens > 0 ? ubatch_tokens : batch_tokens_);
    params.n_threads = params.n_threads_batch = threads;
    context_ = ContextPtr(llama_init_from_model(model, params), llama_free);
    if (context_ == nullptr) Die(workload.name + ": cannot make a context");
  }
  Bench(const Bench&) = delete;
  ~Bench() { llama_batch_free(batch_); }

  // From an empty K/V cache, at most this many steps; tokens per second of the last phase that was begun.
  double Run(int max_steps) {
    llama_memory_clear(llama_get_memory(context_.get()), false);
    auto start = std::chrono::steady_clock::now();
    int tokens = workload_.streams * workload_.prompt_tokens;
    Prefill();
    for (int step = 0; step < std::min(workload_.steps, max_steps); ++step) {
      if (step == workload_.uncounted_steps) {
        start = std::chrono::steady_clock::now();
        tokens = 0;
      }
      Step(workload_.prompt_tokens + step);
      tokens += workload_.streams;
    }
    return tokens / std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

 private:
  using ContextPtr = std::unique_ptr<llama_context, decltype(&llama_free)>;

  // Puts the prompts through, stream by stream, in full batches.
  void Prefill() {
    std::mt19937 random(1);
    std::uniform_int_distribution<llama_token> token(0, vocab_ - 1);
    next_.clear();
    for (int stream = 0; stream < workload_.streams; ++stream) {
      for (int position = 0; position < workload_.prompt_tokens; ++position) {
        if (batch_.n_tokens == batch_tokens_) Flush();
        Add(token(random), position, stream, position == workload_.prompt_tokens - 1);
      }
    }
    Flush();
  }

  // Feeds each stream its last greedy token.
  void Step(int position) {
    int stream = 0;
    for (const llama_token token : std::exchange(next_, {})) Add(token, position, stream++, true);
    Flush();
  }

  void Add(llama_token token, int position, int stream, bool logits) {
    const int i = batch_.n_tokens++;
    batch_.token[i] = token;
    batch_.pos[i] = position;
    batch_.n_seq_id[i] = 1;
    batch_.seq_id[i][0] = stream;
    batch_.logits[i] = logits;
  }

  // Decodes and empties the batch; the greedy tokens of its rows with logits are appended to next_.
  void Flush() {
    const int status = llama_decode(context_.get(), batch_);
    if (status != 0) Die(workload_.name + ": llama_decode returned " + std::to_string(status));
    for (int i = 0; i < batch_.n_tokens; ++i) {
      if (batch_.logits[i] != 0) next_.push_back(ArgMax(llama_get_logits_ith(context_.get(), i), vocab_));
    }
    batch_.n_tokens = 0;
  }

  const Workload workload_;
  const int vocab_, batch_tokens_;
  llama_batch batch_;  // [batch_tokens_]
  ContextPtr context_{nullptr, llama_free};
  std::vector<llama_token> next_;  // [streams]
};
