// The model as the gateway needs it, with names, sizes and the conversion of text to tokens.
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

// This name stands for whatever model is served.
inline constexpr const char* kDefaultModelName = "default";

struct ServedModel {
  std::string id;  // name in the API
  int64_t created = 0;
  uint32_t context_length = 0;
  uint32_t default_max_tokens = 512;
  uint32_t max_prompt_tokens = 0;  // 0: what the context holds
  ApiLimits limits;
  std::shared_ptr<const text::Tokenizer> tokenizer;
  ServedChat chat;
};

// Returns the tokens of a prompt, or of a conversation that is rendered with the chat template. With
// `add_special` a text gets the BOS and EOS that the model's tokenizer adds.
ApiResult<std::vector<int32_t>> EncodePrompt(const ServedModel& model, const PromptInput& prompt,
                                             bool add_special);
ApiResult<std::vector<int32_t>> EncodeChat(const ServedModel& model, const boost::json::array& messages,
                                           const text::ChatOptions& options, bool add_special);
// Adds the request's bad words to its `sampling` as sequences of tokens, like vLLM. Each word is encoded as a
// text of its own. It is also encoded behind a space if that gives as many tokens and another first token.
ApiResult<void> EncodeBadWords(const ServedModel& model, GenerationRequest* request);
// Returns 400 if a token is outside the model's embedding. `param` is the field of the token.
ApiResult<void> CheckTokens(const ServedModel& model, const std::string& param,
                            const std::vector<int32_t>& tokens);
// Returns 404 for the name of another model.
ApiResult<void> CheckModelName(const ServedModel& model, const std::string& name);

}  // namespace exeunt::coordinator
