// The bodies of /v1/completions and /v1/chat/completions as one plain struct. Pure functions without model or
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

// The limits of a request.
struct ApiLimits {
  int n_layers = 0;
  std::vector<int> exit_layers;                    // layers after which tokens may leave
  std::set<ExitArtefact> artefacts;                // artefacts that were fitted for the exits
  ExitSetting default_exit;                        // for requests that say nothing
  std::vector<certify::Certificate> certificates;  // certificates that hold for the served model
  std::map<std::string, std::string> uncertified;  // certificates and families that do not hold, and why
  std::string default_certificate;                 // for requests that say nothing; "": default_exit
  int vocab_size = 0;
  int max_choices = 128;                                     // largest product of prompts and n
  int32_t max_tokens = std::numeric_limits<int32_t>::max();  // largest length of an answer
  size_t max_stop_characters = 1024;                         // largest length of one stop string
};

using PromptInput = std::variant<std::string, std::vector<int32_t>>;

struct GenerationRequest {
  bool chat = false;
  std::string model;
  std::vector<PromptInput> prompts;    // completions
  boost::json::array messages;         // chat: objects with role and content (text)
  text::ChatOptions rendering;         // chat: how the messages become a text
  int n = 1;                           // answers to each prompt
  int best_of = 1;                     // generated answers to each prompt, of which the n best are shown
  bool echo = false;                   // whether the prompt comes before the answer
  std::optional<uint32_t> max_tokens;  // 0: the prompt is echoed and nothing is generated
  SamplingParams sampling;             // without choice
  bool seeded = false;                 // whether the request names a seed; else the caller draws one
  std::vector<std::string> stop;
  std::vector<int32_t> stop_token_ids;
  bool stream = false;
  bool include_usage = false;
  bool continuous_usage = false;             // whether every chunk has the usage so far
  std::optional<Duration> comment_interval;  // for a silent stream; 0: none; nullopt: the server's
  // Whether the prompt gets special tokens. nullopt: a completion's prompt gets them, a chat's does not.
  std::optional<bool> add_special_tokens;
  std::vector<std::string> bad_words;  // text for the tokenizer, not yet in `sampling`
  std::string request_id;              // part of the answer's id; "": a random one
  bool render_special = false;         // whether the text has special tokens
  bool show_stop = false;              // whether the text has its stop string or end token
  ExitSetting exit;
  std::string certificate;  // certificate of `exit`; "": none
  // The server's certificate if it covers the request. It is not in force yet.
  std::string default_certificate;
  bool exit_per_token = false;
  bool ignore_eos = false;          // as in vLLM, the model's end tokens end nothing
  int priority = 0;                 // as in vLLM, lower comes earlier
  std::optional<Duration> timeout;  // from arrival to the end of the answer

  bool ranked() const { return best_of > n; }
};

// Errors name the field in `param`. Their message has the value and what would be right. Unknown fields are
// ignored. Fields of other servers that are not supported are refused if they ask for something
// (coordinator/openai/peer_fields.h). docs/operations.md has the fields and their limits.
ApiResult<GenerationRequest> ParseCompletionRequest(const boost::json::object& body, const ApiLimits& limits);
ApiResult<GenerationRequest> ParseChatRequest(const boost::json::object& body, const ApiLimits& limits);

// Puts the server's certificate in force if it covers the request. `room` is the number of tokens that the
// context has left behind the longest prompt. If the certificate's answers do not fit there, the request runs
// in full.
void ApplyDefaultCertificate(const ApiLimits& limits, int64_t room, GenerationRequest* request);

// The extension `exit` is {mode, measure, threshold, min_layer, decay: {tau, n} | null, forced: [{layer,
// probability}], per_token} or {certificate, per_token}. A family's name stands for its fastest certificate.
// Missing fields are those of `limits.default_exit`. Unlike elsewhere, an unknown key is an error.
struct ExitField {
  ExitSetting setting;
  std::string certificate;  // certificate that was asked for by its name or its family's
  bool per_token = false;
};
ApiResult<ExitField> ParseExitField(const boost::json::value* value, const ApiLimits& limits);

// Parses the messages of a chat into the form of templates, with role and content. The parts of a content are
// joined.
ApiResult<boost::json::array> ParseMessages(const boost::json::value* value);
// Parses a prompt, which is a string, token ids, or a list of either.
ApiResult<std::vector<PromptInput>> ParsePrompts(const boost::json::value* value, int vocab_size);

}  // namespace exeunt::coordinator
