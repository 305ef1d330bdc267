// Logits of given sequences on llama.cpp, for comparing numbers instead of rates.
#pragma once

#include <llama.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "bench/llama_workload.h"

// One sequence of token ids a line.
inline std::vector<std::vector<llama_token>> ReadSequences(const std::string& path) {
  std::ifstream file(path);
  if (!file) Die("cannot read " + path);
  std::vector<std::vector<llama_token>> sequences;
  for (std::string line; std::getline(file, line);) {
    std::istringstream ids(line);
    sequences.emplace_back();
    for (llama_token id = 0; ids >> id;) sequences.back().push_back(id);
    if (sequences.back().empty() || !ids.eof()) Die(path + ": not a line of token ids: '" + line + "'");
  }
  if (sequences.empty()) Die(path + " has no sequence");
  return sequences;
}

// Writes the logits [tokens][vocab] after every token of each sequence as F32, sequence by sequence, to
// `out`.
inline void WriteLogits(llama_model* model, const std::string& sequences_path, int threads,
                        const std::string& out) {
  const auto sequences = ReadSequences(sequences_path);
  size_t longest = 0;
  for (const auto& sequence : sequences) longest = std::max(longest, sequence.size());
  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<uint32_t>(GGML_PAD(longest, 256));
  params.n_batch = params.n_ubatch = params.n_ctx;
  params.n_threads = params.n_threads_batch = threads;
  const std::unique_ptr<llama_context, decltype(&llama_free)> context(llama_init_from_model(model, params),
                                                                      llama_free);
  if (context == nullptr) Die("cannot make a context of " + std::to_string(params.n_ctx) + " tokens");
  const auto vocab = static_cast<size_t>(llama_vocab_n_tokens(llama_model_get_vocab(model)));
  std::ofstream file(out, std::ios::binary);
  for (const auto& sequence : sequences) {
    llama_memory_clear(llama_get_memory(context.get()), true);
    llama_batch batch = llama_batch_init(static_cast<int32_t>(sequence.size()), 0, 1);
    for (const llama_token token : sequence) {
      const int i = batch.n_tokens++;
      batch.token[i] = token;
      batch.pos[i] = i;
      batch.n_seq_id[i] = 1;
      batch.seq_id[i][0] = 0;
      batch.logits[i] = 1;
    }
    if (const int status = llama_decode(context.get(), batch); status != 0) {
      Die("llama_decode returned " + std::to_string(status));
    }
    for (int i = 0; i < batch.n_tokens; ++i) {
      file.write(reinterpret_cast<const char*>(llama_get_logits_ith(context.get(), i)),
                 static_cast<std::streamsize>(vocab * sizeof(float)));
    }
    llama_batch_free(batch);
  }
  if (!file.flush()) Die("cannot write " + out);
}
