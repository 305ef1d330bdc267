// The bodies of /v1/completions and /v1/chat/completions as one plain struct. Pure functions: no model, no
// sockets.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "certify/certificate.h"
#include "coordinator/openai/api_error.h"
#include "request/exit_setting.h"
#include "request/sampling.h"
#include "text/chat_rendering.h"

namespace exeunt::coordinator {

// What is asked of the model is checked against these.
struct ApiLimits {
  int n_layers = 0;
  std::vector<int> exit_layers;                    // exits are possible after so many layers
  std::set<ExitArtefact> artefacts;                // that were fitted for the exits
  ExitSetting default_exit;                        // where a request says nothing
  std::vector<certify::Certificate> certificates;  // that hold for what is served
  std::map<std::string, std::string> uncertified;  // certificates and families that do not, and why
  std::string default_certificate;                 // where a request says nothing; "": default_exit
  int vocab_size = 0;
  int max_choices = 128;                                     // prompts times n
  int32_t max_tokens = std::numeric_limits<int32_t>::max();  // of an answer
  size_t max_stop_characters = 1024;                         // of one stop string
};

using PromptInput = std::variant<std::string, std::vector<int32_t>>;

struct GenerationRequest {
  bool chat = false;
  std::string model;
  std::vector<PromptInput> prompts;    // completions
  boost::json::array messages;         // chat: objects with role and content (text)
  text::ChatOptions rendering;         // chat: how the messages become a text
  int n = 1;                           // answers to each prompt
  int best_of = 1;                     // that are generated for each prompt, of which the n best are shown
  bool echo = false;                   // the prompt comes before the answer
  std::optional<uint32_t> max_tokens;  // 0: the prompt is echoed, nothing is generated
  SamplingParams sampling;             // without choice
  bool seeded = false;                 // the request names a seed; else the caller draws one
  std::vector<std::string> stop;
  std::vector<int32_t> stop_token_ids;
  bool stream = false;
  bool include_usage = false;
  bool continuous_usage = false;             // every chunk has the usage so far
  std::optional<Duration> comment_interval;  // of a silent stream; 0: none; nullopt: the server's
  std::optional<bool> add_special_tokens;  // the prompt's; nullopt: a completion's has them, a chat's has not
  std::vector<std::string> bad_words;      // as text, for the tokenizer: not in `sampling` yet
  std::string request_id;                  // in the answer's id; "": a random one
  bool render_special = false;             // the text has special tokens
  bool show_stop = false;                  // the text has what ended it
  ExitSetting exit;
  std::string certificate;          // that `exit` is from; "": none
  std::string default_certificate;  // the server's, where it covers what was asked: not in force yet
  bool exit_per_token = false;
  bool ignore_eos = false;          // as vLLM has it: the model's end tokens end nothing
  int priority = 0;                 // as vLLM has it: lower is earlier
  std::optional<Duration> timeout;  // from arrival to the end of the answer

  bool ranked() const { return best_of > n; }
};

// Errors name the field in `param`, and in the message its value and what would be right. Fields that nobody
// knows are ignored; those of other servers that are not built are refused where they ask for something
// (coordinator/openai/peer_fields.h). docs/operations.md has the fields and their limits.
ApiResult<GenerationRequest> ParseCompletionRequest(const boost::json::object& body, const ApiLimits& limits);
ApiResult<GenerationRequest> ParseChatRequest(const boost::json::object& body, const ApiLimits& limits);

// Puts the server's certificate in force where it covers the request. `room`: tokens that the context has
// left behind the longest prompt; where the certificate's answers do not fit there, the request runs in full.
void ApplyDefaultCertificate(const ApiLimits& limits, int64_t room, GenerationRequest* request);

// The extension `exit`: {mode, measure, threshold, min_layer, decay: {tau, n} | null, forced: [{layer,
// probability}], per_token}, or {certificate, per_token}, where a family's name stands for its fastest. What
// it leaves out is `limits.default_exit`'s. Unlike elsewhere, an unknown key is an error.
struct ExitField {
  ExitSetting setting;
  std::string certificate;  // asked for by its name or its family's
  bool per_token = false;
};
ApiResult<ExitField> ParseExitField(const boost::json::value* value, const ApiLimits& limits);

// Messages of a chat as templates want them: role and content, the parts of a content joined.
ApiResult<boost::json::array> ParseMessages(const boost::json::value* value);
// A prompt: a string, token ids, or a list of either.
ApiResult<std::vector<PromptInput>> ParsePrompts(const boost::json::value* value, int vocab_size);

}  // namespace exeunt::coordinator
