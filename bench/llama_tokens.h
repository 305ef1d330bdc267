// Token ids of given texts by llama.cpp's tokenizer, for comparing tokenizers.
#pragma once

#include <llama.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "bench/llama_workload.h"

// Reads texts, each a u32 of its bytes and the bytes, and writes for each a u32 of its tokens and their ids:
// without special tokens, none parsed. Only the vocabulary of the model is read.
inline void WriteTokens(const std::string& model_path, const std::string& texts, const std::string& out) {
  llama_model_params params = llama_model_default_params();
  params.vocab_only = true;
  const std::unique_ptr<llama_model, decltype(&llama_model_free)> model(
      llama_model_load_from_file(model_path.c_str(), params), llama_model_free);
  if (model == nullptr) Die("cannot load the vocabulary of " + model_path);
  std::ifstream in(texts, std::ios::binary);
  const std::string data((std::istreambuf_iterator<char>(in)), {});
  std::ofstream file(out, std::ios::binary);
  for (size_t at = 0; at < data.size();) {
    uint32_t size = 0;
    if (data.size() - at < sizeof(size)) Die(texts + " is cut off");
    std::memcpy(&size, &data[at], sizeof(size));
    at += sizeof(size);
    if (data.size() - at < size) Die(texts + " is cut off");
    std::vector<llama_token> ids(size + 1);  // no token is empty
    const int32_t count =
        llama_tokenize(llama_model_get_vocab(model.get()), &data[at], static_cast<int32_t>(size), ids.data(),
                       static_cast<int32_t>(ids.size()), false, false);
    if (count < 0)
      Die("a text of " + std::to_string(size) + " bytes has " + std::to_string(-count) + " tokens");
    file.write(reinterpret_cast<const char*>(&count), sizeof(count));
    file.write(reinterpret_cast<const char*>(ids.data()),
               static_cast<std::streamsize>(sizeof(ids[0])) * count);
    at += size;
  }
  if (!file.flush()) Die("cannot write " + out);
}
