// Bodies of answers: completions, chat completions, and the chunks of their streams. Pure functions.
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

// One token as the lists of log-probabilities show it. Pieces are bytes: they may end inside a character.
struct TokenLogprob {
  std::string piece;
  std::optional<float> logprob;  // none: of an echoed prompt's first token
  std::vector<std::pair<std::string, float>> top;
  size_t text_offset = 0;  // characters of the answer before it
};

// A choice, or what is new of it in a chunk.
struct ChoiceBody {
  int index = 0;
  std::string text;
  std::vector<TokenLogprob> logprobs;
  std::vector<int> exit_layers;
  std::string finish_reason;  // "": not finished
};

struct Usage {
  uint64_t prompt_tokens = 0;
  uint64_t cached_tokens = 0;  // of them, whose K/V was there already
  uint64_t completion_tokens = 0;
  double queue_time = 0.0;  // seconds that the answers waited for a place; of several the longest
  std::map<int, uint64_t> exits_by_layer;  // tokens by the layers that were run for them
};

// Which shape an answer has.
struct ResponseShape {
  bool chat = false;
  std::string id;
  std::string model;
  int64_t created = 0;  // seconds since 1970
  bool logprobs = false;
  bool exit_layers = false;
  bool usage_in_stream = false;   // a last chunk has it
  bool continuous_usage = false;  // every chunk has it
  int n_layers = 0;
  ExitSetting exit;
  std::string certificate;  // "": none
};

std::string ResponseBody(const ResponseShape& shape, const std::vector<ChoiceBody>& choices,
                         const Usage& usage);
// `first`: a chat's delta names the role. `so_far` is shown where the shape wants it in every chunk.
std::string ChunkBody(const ResponseShape& shape, const ChoiceBody& choice, bool first, const Usage& so_far);
// The last chunk, with the usage and no choice.
std::string UsageChunkBody(const ResponseShape& shape, const Usage& usage);
// "data: ...\n\n"
std::string ServerSentEvent(std::string_view data);

}  // namespace exeunt::coordinator
