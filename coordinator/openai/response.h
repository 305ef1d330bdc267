// Makes the bodies of answers: completions, chat completions, and the chunks of their streams. Pure
// functions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "request/exit_setting.h"

namespace exeunt::coordinator {

// One token in a list of log-probabilities. Pieces are bytes, which may end inside a character.
struct TokenLogprob {
  std::string piece;
  std::optional<float> logprob;  // none for an echoed prompt's first token
  std::vector<std::pair<std::string, float>> top;
  size_t text_offset = 0;  // characters of the answer before the token
};

// A choice, or its new part in a chunk.
struct ChoiceBody {
  int index = 0;
  std::string text;
  std::vector<TokenLogprob> logprobs;
  std::vector<int> exit_layers;
  std::string finish_reason;  // "" if not finished
};

struct Usage {
  uint64_t prompt_tokens = 0;
  uint64_t cached_tokens = 0;  // prompt tokens whose K/V was in the prefix cache
  uint64_t completion_tokens = 0;
  double queue_time = 0.0;                 // seconds that the answers waited for a place; the longest wait
  std::map<int, uint64_t> exits_by_layer;  // tokens by the layers that they ran
};

// The shape of an answer.
struct ResponseShape {
  bool chat = false;
  std::string id;
  std::string model;
  int64_t created = 0;  // seconds since 1970
  bool logprobs = false;
  bool exit_layers = false;
  bool usage_in_stream = false;   // whether a last chunk has the usage
  bool continuous_usage = false;  // whether every chunk has the usage
  int n_layers = 0;
  ExitSetting exit;
  std::string certificate;  // "" for none
};

std::string ResponseBody(const ResponseShape& shape, const std::vector<ChoiceBody>& choices,
                         const Usage& usage);
// With `first` a chat's delta names the role. `so_far` is shown if the shape has the usage in every chunk.
std::string ChunkBody(const ResponseShape& shape, const ChoiceBody& choice, bool first, const Usage& so_far);
// Returns the last chunk, which has the usage and no choice.
std::string UsageChunkBody(const ResponseShape& shape, const Usage& usage);
// Returns "data: ...\n\n".
std::string ServerSentEvent(std::string_view data);

}  // namespace exeunt::coordinator
