#include "coordinator/gateway/served_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "base/error.h"
#include "model/quoted.h"

namespace exeunt {

ApiResult<std::vector<int32_t>> EncodePrompt(const ServedModel& model, const PromptInput& prompt) {
  std::vector<int32_t> tokens;
  if (const auto* text = std::get_if<std::string>(&prompt)) {
    tokens = model.tokenizer->Encode(*text, /*add_special=*/true, /*parse_special=*/true);
  } else {
    tokens = std::get<std::vector<int32_t>>(prompt);
  }
  if (tokens.empty()) return BadRequest("prompt", "'prompt' has no tokens");
  return tokens;
}

ApiResult<std::vector<int32_t>> EncodeChat(const ServedModel& model, const boost::json::array& messages,
                                           const ChatOptions& options) {
  if (model.chat.chat_template == nullptr) {
    return BadRequest("messages", fmt::format("the model '{}' takes no chats: {}; use /v1/completions",
                                              model.id, model.chat.problem));
  }
  const auto text = RenderChat(*model.chat.chat_template, messages, model.chat.special_tokens, options);
  if (!text) return ApiErrorOf(Annotate(text.error(), "chat template"), "messages");
  // The template writes the special tokens itself.
  auto tokens = model.tokenizer->Encode(*text, /*add_special=*/false, /*parse_special=*/true);
  if (tokens.empty()) return BadRequest("messages", "the rendered conversation has no tokens");
  return tokens;
}

ApiResult<void> CheckTokens(const ServedModel& model, const std::string& param,
                            const std::vector<int32_t>& tokens) {
  const int rows = model.limits.vocab_size;
  const auto outside =
      std::ranges::find_if(tokens, [rows](int32_t token) { return token < 0 || token >= rows; });
  if (outside == tokens.end()) return {};
  return BadRequest(
      param,
      fmt::format("'{}' has the token {} ({}), which is outside the model's embedding; "
                  "ids are in [0, {})",
                  param, *outside, Quoted(model.tokenizer->Piece(*outside, /*render_special=*/true)), rows));
}

ApiResult<void> CheckModelName(const ServedModel& model, const std::string& name) {
  if (name == model.id || name == kDefaultModelName) return {};
  ApiError error =
      BadRequest("model", fmt::format("The model '{}' does not exist; there is '{}'.", name, model.id),
                 "model_not_found");
  error.status = 404;
  return error;
}

}  // namespace exeunt
