#include "coordinator/openai/response.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cmath>

#include "coordinator/openai/generation_request.h"
#include "coordinator/openai/json_text.h"
#include "text/utf8.h"

namespace exeunt::coordinator {
namespace {

namespace json = boost::json;

// Returns the double of the shortest decimal that gives the same float.
double Shortest(float value) { return std::stod(fmt::format("{}", value)); }

json::value ChatToken(const std::string& piece, float logprob) {
  json::array bytes;
  for (const char byte : piece) bytes.emplace_back(static_cast<unsigned char>(byte));
  return json::object{
      {"token", text::ReplaceIllFormed(piece)}, {"logprob", Shortest(logprob)}, {"bytes", bytes}};
}

json::value ChatLogprobs(const std::vector<TokenLogprob>& tokens) {
  json::array content;
  for (const TokenLogprob& token : tokens) {
    json::value entry = ChatToken(token.piece, token.logprob.value_or(0.0F));
    json::array top;
    for (const auto& [piece, logprob] : token.top) top.push_back(ChatToken(piece, logprob));
    entry.get_object()["top_logprobs"] = std::move(top);
    content.push_back(std::move(entry));
  }
  return json::object{{"content", std::move(content)}, {"refusal", nullptr}};
}

// Returns the likeliest tokens, and the token itself if it is not among them.
json::value CompletionTop(const TokenLogprob& token) {
  if (!token.logprob) return nullptr;
  json::object top;
  for (const auto& [piece, logprob] : token.top) top[text::ReplaceIllFormed(piece)] = Shortest(logprob);
  top.emplace(text::ReplaceIllFormed(token.piece), Shortest(*token.logprob));
  return top;
}

json::value CompletionLogprobs(const std::vector<TokenLogprob>& tokens) {
  json::array texts, logprobs, tops, offsets;
  for (const TokenLogprob& token : tokens) {
    texts.emplace_back(text::ReplaceIllFormed(token.piece));
    logprobs.push_back(token.logprob ? json::value(Shortest(*token.logprob)) : json::value(nullptr));
    tops.push_back(CompletionTop(token));
    offsets.emplace_back(token.text_offset);
  }
  return json::object{{"tokens", std::move(texts)},
                      {"token_logprobs", std::move(logprobs)},
                      {"top_logprobs", std::move(tops)},
                      {"text_offset", std::move(offsets)}};
}

json::value Logprobs(const ResponseShape& shape, const ChoiceBody& choice) {
  if (!shape.logprobs) return nullptr;
  return shape.chat ? ChatLogprobs(choice.logprobs) : CompletionLogprobs(choice.logprobs);
}

void AddCommon(const ResponseShape& shape, const ChoiceBody& choice, json::object* object) {
  (*object)["index"] = choice.index;
  (*object)["logprobs"] = Logprobs(shape, choice);
  (*object)["finish_reason"] =
      choice.finish_reason.empty() ? json::value(nullptr) : json::value(choice.finish_reason);
  if (shape.exit_layers) (*object)["exit_layers"] = json::value_from(choice.exit_layers);
}

json::object ExitUsage(const ResponseShape& shape, const Usage& usage) {
  uint64_t tokens = 0, layers = 0, skipped = 0;
  json::object by_layer;
  for (const auto& [layer, count] : usage.exits_by_layer) {
    by_layer[std::to_string(layer)] = count;
    tokens += count;
    layers += count * static_cast<uint64_t>(layer);
    skipped += count * static_cast<uint64_t>(shape.n_layers - layer);
  }
  const double mean = tokens == 0 ? 0.0 : static_cast<double>(layers) / static_cast<double>(tokens);
  return {{"certificate", shape.certificate.empty() ? json::value(nullptr) : json::value(shape.certificate)},
          {"mode", ExitModeName(shape.exit.mode)},
          {"measure", ExitMeasureName(shape.exit.measure)},
          {"threshold", Shortest(shape.exit.threshold)},
          {"mean_layers", mean},
          {"layers_skipped", skipped},
          {"by_layer", std::move(by_layer)}};
}

json::value UsageObject(const ResponseShape& shape, const Usage& usage) {
  return json::object{{"prompt_tokens", usage.prompt_tokens},
                      {"completion_tokens", usage.completion_tokens},
                      {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
                      {"prompt_tokens_details", {{"cached_tokens", usage.cached_tokens}}},
                      {"queue_time", std::round(usage.queue_time * 1e6) / 1e6},
                      {"exit", ExitUsage(shape, usage)}};
}

json::object Envelope(const ResponseShape& shape, bool chunk) {
  const char* object = !shape.chat ? "text_completion" : chunk ? "chat.completion.chunk" : "chat.completion";
  return {{"id", shape.id}, {"object", object}, {"created", shape.created}, {"model", shape.model}};
}

}  // namespace

std::string ResponseBody(const ResponseShape& shape, const std::vector<ChoiceBody>& choices,
                         const Usage& usage) {
  json::array list;
  for (const ChoiceBody& choice : choices) {
    json::object object;
    if (shape.chat) {
      object["message"] = json::object{{"role", "assistant"}, {"content", choice.text}, {"refusal", nullptr}};
    } else {
      object["text"] = choice.text;
    }
    AddCommon(shape, choice, &object);
    list.push_back(std::move(object));
  }
  json::object body = Envelope(shape, /*chunk=*/false);
  body["choices"] = std::move(list);
  body["usage"] = UsageObject(shape, usage);
  body["system_fingerprint"] = nullptr;
  return WriteJson(body);
}

std::string ChunkBody(const ResponseShape& shape, const ChoiceBody& choice, bool first, const Usage& so_far) {
  json::object object;
  if (shape.chat) {
    json::object delta;
    if (first) delta["role"] = "assistant";
    if (first || !choice.text.empty()) delta["content"] = choice.text;
    object["delta"] = std::move(delta);
  } else {
    object["text"] = choice.text;
  }
  AddCommon(shape, choice, &object);
  json::object body = Envelope(shape, /*chunk=*/true);
  body["choices"] = json::array{std::move(object)};
  if (shape.continuous_usage) {
    body["usage"] = UsageObject(shape, so_far);
  } else if (shape.usage_in_stream) {
    body["usage"] = nullptr;
  }
  return WriteJson(body);
}

std::string UsageChunkBody(const ResponseShape& shape, const Usage& usage) {
  json::object body = Envelope(shape, /*chunk=*/true);
  body["choices"] = json::array();
  body["usage"] = UsageObject(shape, usage);
  return WriteJson(body);
}

std::string ServerSentEvent(std::string_view data) { return fmt::format("data: {}\n\n", data); }

}  // namespace exeunt::coordinator
