#include "coordinator/gateway/token_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "coordinator/openai/chat_fields.h"
#include "coordinator/openai/field_reader.h"
#include "coordinator/openai/json_text.h"
#include "coordinator/openai/peer_fields.h"
#include "text/utf8.h"

namespace exeunt::coordinator {
namespace {

namespace json = boost::json;

// Checks the name of the model, if there is one.
ApiResult<void> CheckModel(const ServedModel& model, FieldReader* fields) {
  const auto name = fields->String("model");
  if (!fields->ok()) return fields->error();
  return name ? CheckModelName(model, *name) : ApiResult<void>();
}

ApiResult<std::vector<int32_t>> TokensOf(const ServedModel& model, FieldReader* fields) {
  if (fields->Find("messages") != nullptr) {
    const auto messages = ParseMessages(fields->Find("messages"));
    if (!messages) return messages.error();
    const text::ChatOptions options = ReadChatFields(fields, *messages);
    const bool add_special = fields->Bool("add_special_tokens", false);
    if (!fields->ok()) return fields->error();
    return EncodeChat(model, *messages, options, add_special);
  }
  RefuseChatFields(fields);
  auto text = fields->String("prompt");
  if (!text) text = fields->String("content");
  if (!text) fields->Fail("prompt", "one of 'prompt', 'messages' and 'content' is needed");
  const bool add_special = fields->Bool("add_special_tokens", fields->Bool("add_special", true));
  const bool parse_special = fields->Bool("parse_special", true);
  if (!fields->ok()) return fields->error();
  return model.tokenizer->Encode(*text, add_special, parse_special);
}

}  // namespace

ApiResult<json::object> TokenizeReply(const ServedModel& model, const json::object& body) {
  FieldReader fields(body);
  if (const auto known = CheckModel(model, &fields); !known) return known.error();
  const bool strings = fields.Bool("return_token_strs", false);
  RefusePeerFields(TokenizePeerFields(), &fields);
  const auto tokens = TokensOf(model, &fields);
  if (!tokens) return tokens.error();
  if (!fields.ok()) return fields.error();
  json::object reply{{"count", tokens->size()},
                     {"max_model_len", model.context_length},
                     {"tokens", json::value_from(*tokens)}};
  if (strings) {
    json::array pieces;
    for (const int32_t token : *tokens)
      pieces.emplace_back(text::ReplaceIllFormed(model.tokenizer->Piece(token, true)));
    reply["token_strs"] = std::move(pieces);
  }
  return reply;
}

ApiResult<json::object> DetokenizeReply(const ServedModel& model, const json::object& body) {
  FieldReader fields(body);
  if (const auto known = CheckModel(model, &fields); !known) return known.error();
  const json::value* value = fields.Find("tokens");
  if (value == nullptr || !value->is_array()) {
    return BadRequest("tokens", fmt::format("'tokens' is {}, it must be a list of token ids",
                                            value == nullptr ? "missing" : JsonExcerpt(*value)));
  }
  if (value->get_array().empty()) return json::object{{"prompt", ""}};
  // The limit is the larger of the two sizes. Ids that only the model or only the tokenizer has may have no
  // text.
  const int ids = std::max(model.limits.vocab_size, model.tokenizer->vocab_size());
  const auto prompts = ParsePrompts(value, ids);
  const bool nested = value->get_array().front().is_array();
  const auto* tokens = prompts && prompts->size() == 1 && !nested
                           ? std::get_if<std::vector<int32_t>>(&prompts->front())
                           : nullptr;
  if (tokens == nullptr) {
    return BadRequest("tokens", fmt::format("'tokens' is {}, it must be a list of token ids in [0, {})",
                                            JsonExcerpt(*value), ids));
  }
  const bool render_special = !fields.Bool("skip_special_tokens", false);
  RefusePeerFields(DetokenizePeerFields(), &fields);
  if (!fields.ok()) return fields.error();
  return json::object{{"prompt", model.tokenizer->Decode(*tokens, render_special)}};
}

}  // namespace exeunt::coordinator
