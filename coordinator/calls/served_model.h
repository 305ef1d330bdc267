// The model as the gateway needs it: names, sizes, text to tokens.
#pragma once

#include <boost/json/array.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/calls/served_chat.h"
#include "coordinator/openai/api_error.h"
#include "coordinator/openai/generation_request.h"
#include "text/tokenizer.h"

namespace exeunt::coordinator {

// Names whatever model is served.
inline constexpr const char* kDefaultModelName = "default";

struct ServedModel {
  std::string id;  // as the API names it
  int64_t created = 0;
  uint32_t context_length = 0;
  uint32_t default_max_tokens = 512;
  uint32_t max_prompt_tokens = 0;  // 0: what the context holds
  ApiLimits limits;
  std::shared_ptr<const text::Tokenizer> tokenizer;
  ServedChat chat;
};

// Tokens of a prompt; of a conversation, rendered with the chat template. `add_special`: with the BOS and EOS
// that the model's tokenizer adds, to text alone.
ApiResult<std::vector<int32_t>> EncodePrompt(const ServedModel& model, const PromptInput& prompt,
                                             bool add_special);
ApiResult<std::vector<int32_t>> EncodeChat(const ServedModel& model, const boost::json::array& messages,
                                           const text::ChatOptions& options, bool add_special);
// The request's bad words as sequences of tokens in its `sampling`, as vLLM has them: each as a text of its
// own, and behind a space where that is as many tokens and begins with another.
ApiResult<void> EncodeBadWords(const ServedModel& model, GenerationRequest* request);
// 400 where a token is outside the model's embedding; `param` is the field that it came from.
ApiResult<void> CheckTokens(const ServedModel& model, const std::string& param,
                            const std::vector<int32_t>& tokens);
// 404 where it is another model.
ApiResult<void> CheckModelName(const ServedModel& model, const std::string& name);

}  // namespace exeunt::coordinator
