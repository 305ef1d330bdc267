#include "coordinator/calls/served_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "base/error.h"
#include "base/quoted.h"
#include "coordinator/openai/json_text.h"

namespace exeunt::coordinator {

ApiResult<std::vector<int32_t>> EncodePrompt(const ServedModel& model, const PromptInput& prompt,
                                             bool add_special) {
  std::vector<int32_t> tokens;
  if (const auto* text = std::get_if<std::string>(&prompt)) {
    tokens = model.tokenizer->Encode(*text, add_special, /*parse_special=*/true);
  } else {
    tokens = std::get<std::vector<int32_t>>(prompt);
  }
  if (tokens.empty()) return BadRequest("prompt", R"('prompt' is "" or [], it must have at least one token)");
  return tokens;
}

ApiResult<std::vector<int32_t>> EncodeChat(const ServedModel& model, const boost::json::array& messages,
                                           const text::ChatOptions& options, bool add_special) {
  if (model.chat.chat_template == nullptr) {
    return BadRequest("messages", fmt::format("the model '{}' takes no chats: {}; use /v1/completions",
                                              model.id, model.chat.problem));
  }
  const auto text = text::RenderChat(*model.chat.chat_template, messages, model.chat.special_tokens, options);
  if (!text) return ApiErrorOf(Annotate(text.error(), "chat template"), "messages");
  // The template writes the special tokens itself. Most requests therefore add none.
  auto tokens = model.tokenizer->Encode(*text, add_special, /*parse_special=*/true);
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

ApiResult<void> EncodeBadWords(const ServedModel& model, GenerationRequest* request) {
  std::vector<std::vector<int32_t>>& words = request->sampling.bad_words;
  size_t total = 0;
  for (const std::string& word : request->bad_words) {
    auto alone = model.tokenizer->Encode(word, /*add_special=*/false, /*parse_special=*/true);
    auto spaced = model.tokenizer->Encode(" " + word, /*add_special=*/false, /*parse_special=*/true);
    if (alone.empty())
      return BadRequest("bad_words", fmt::format("'{}' of 'bad_words' has no tokens", Excerpt(word)));
    const bool other = spaced.size() == alone.size() && spaced.front() != alone.front();
    for (const auto* tokens : {&alone, &spaced}) {
      if (const auto usable = CheckTokens(model, "bad_words", *tokens); !usable) return usable.error();
    }
    total += alone.size() + (other ? spaced.size() : 0);
    if (total > kMaxBadWordTokens) {
      return BadRequest("bad_words", fmt::format("'bad_words' has over {} tokens up to '{}', at most {}",
                                                 kMaxBadWordTokens, Excerpt(word), kMaxBadWordTokens));
    }
    words.push_back(std::move(alone));
    if (other) words.push_back(std::move(spaced));
  }
  return {};
}

ApiResult<void> CheckModelName(const ServedModel& model, const std::string& name) {
  if (name == model.id || name == kDefaultModelName) return {};
  ApiError error = BadRequest(
      "model", fmt::format("The model '{}' does not exist; there is '{}'.", Excerpt(name), model.id),
      "model_not_found");
  error.status = 404;
  return error;
}

}  // namespace exeunt::coordinator
