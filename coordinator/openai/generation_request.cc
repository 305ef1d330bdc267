#include "coordinator/openai/generation_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cctype>

#include "coordinator/openai/chat_fields.h"
#include "coordinator/openai/field_reader.h"
#include "coordinator/openai/json_text.h"
#include "coordinator/openai/peer_fields.h"
#include "coordinator/openai/request_fields.h"
#include "text/utf8.h"

namespace exeunt::coordinator {
namespace {

namespace json = boost::json;

constexpr double kMaxPingSeconds = 24 * 3600;

// Refuses a field that only the other endpoint has.
void RefuseOf(FieldReader* fields, std::string_view key, std::string_view endpoint) {
  fields->Fail(key,
               fmt::format("'{}' is {}, which is for {}", key, JsonExcerpt(*fields->Find(key)), endpoint),
               "unsupported_parameter");
}

void ReadResponseFormat(FieldReader* fields) {
  const json::value* format = fields->Find("response_format");
  if (format == nullptr) return;
  const json::value* type = format->is_object() ? format->get_object().if_contains("type") : nullptr;
  if (type == nullptr || !type->is_string()) {
    return fields->FailAs("response_format", *format, R"(an object with a 'type', such as {"type":"text"})");
  }
  if (type->get_string() != "text") {
    fields->Fail("response_format",
                 fmt::format("'response_format' of type '{}' is not built in this server; there is 'text'",
                             Excerpt(type->get_string())),
                 "unsupported_value");
  }
}

void ReadStream(FieldReader* fields, GenerationRequest* request) {
  request->stream = fields->Bool("stream", false);
  const json::value* options = fields->Find("stream_options");
  // As in llama.cpp, -1 and 0 mean none.
  if (const auto seconds = fields->Number("sse_ping_interval", -1, kMaxPingSeconds))
    request->comment_interval = FromSeconds(std::max(0.0, *seconds));
  if (options == nullptr) return;
  if (!request->stream)
    return fields->Fail("stream_options", fmt::format("'stream_options' is {}, which needs 'stream': true",
                                                      JsonExcerpt(*options)));
  if (!options->is_object()) return fields->FailAs("stream_options", *options, "an object");
  FieldReader inner(options->get_object(), "stream_options.");
  request->include_usage = inner.Bool("include_usage", false);
  request->continuous_usage = inner.Bool("continuous_usage_stats", false);
  inner.Bool("include_obfuscation", true);  // OpenAI's padding against listeners, which changes no answer
  if (!inner.ok()) fields->Fail(inner.error().param, inner.error().message);
}

void ReadUrgency(FieldReader* fields, GenerationRequest* request) {
  constexpr double kMaxTimeout = 24 * 3600;
  if (const auto priority = fields->Integer("priority", kFirstPriority, kLastPriority))
    request->priority = static_cast<int>(*priority);
  const auto timeout = fields->Number("timeout", 0, kMaxTimeout);
  if (!timeout) return;
  if (*timeout == 0) return fields->Fail("timeout", "'timeout' is 0, it must be above 0");
  request->timeout = FromSeconds(*timeout);
}

// The request id is part of the answer's id, behind "cmpl-" or "chatcmpl-".
void ReadRequestId(FieldReader* fields, GenerationRequest* request) {
  constexpr size_t kMaxRequestId = 128;
  auto id = fields->String("request_id");
  if (!id) return;
  const bool harmless =
      !id->empty() && id->size() <= kMaxRequestId && std::all_of(id->begin(), id->end(), [](unsigned char c) {
        return (c < 0x80 && std::isalnum(c) != 0) || c == '.' || c == '_' || c == '-';
      });
  if (!harmless) {
    return fields->FailAs("request_id", *fields->Find("request_id"),
                          fmt::format("1 to {} letters, digits and ._-", kMaxRequestId));
  }
  request->request_id = std::move(*id);
}

// Checks two fields that have no effect.
void CheckUserAndMetadata(FieldReader* fields) {
  constexpr size_t kMaxPairs = 16, kMaxKey = 64, kMaxValue = 512;
  fields->String("user");
  const json::value* value = fields->Find("metadata");
  if (value == nullptr) return;
  const json::object* pairs = value->if_object();
  if (pairs == nullptr) return fields->FailAs("metadata", *value, "an object");
  if (pairs->size() > kMaxPairs) {
    return fields->Fail("metadata",
                        fmt::format("'metadata' has {} pairs, at most {}", pairs->size(), kMaxPairs));
  }
  for (const auto& [key, text] : *pairs) {
    if (text::CountCharacters(key) > kMaxKey) {
      fields->Fail(
          "metadata",
          fmt::format("the key '{}' of 'metadata' has {} characters, it must have at most {} characters",
                      Excerpt(key), text::CountCharacters(key), kMaxKey));
    } else if (!text.is_string() || text::CountCharacters(text.get_string()) > kMaxValue) {
      fields->Fail("metadata",
                   fmt::format("the value {} in 'metadata' must be a string of at most {} characters",
                               JsonExcerpt(text), kMaxValue));
    }
  }
}

// Reads the fields that both endpoints have.
void ReadCommon(FieldReader* fields, const ApiLimits& limits, GenerationRequest* request) {
  if (const auto model = fields->String("model")) request->model = *model;
  if (request->model.empty()) fields->Fail("model", "'model' is missing, it must be an id of /v1/models");
  if (const auto n = fields->Integer("n", 1, limits.max_choices)) request->n = static_cast<int>(*n);
  request->best_of = request->n;
  for (const char* key : {"max_tokens", "max_completion_tokens"}) {
    if (const auto v = fields->Integer(key, request->chat ? 1 : 0, limits.max_tokens))
      request->max_tokens = static_cast<uint32_t>(*v);
  }
  ReadSampling(fields, limits, request);
  ReadStop(fields, limits, request);
  ReadStream(fields, request);
  ReadUrgency(fields, request);
  ReadRequestId(fields, request);
  CheckUserAndMetadata(fields);
  if (fields->Find("add_special_tokens") != nullptr)
    request->add_special_tokens = fields->Bool("add_special_tokens", true);
  request->render_special = !fields->Bool("skip_special_tokens", true);
  const bool show_stop = fields->Bool("include_stop_str_in_output", false);
  request->show_stop = fields->Bool("no_stop_trim", show_stop);  // name in SGLang
  RefusePeerFields(GenerationPeerFields(), fields);
  ReadResponseFormat(fields);
}

// Call it after all other fields are read, because a certificate is compared with them.
void ReadExit(FieldReader* fields, const ApiLimits& limits, GenerationRequest* request) {
  const auto exit = ParseExitField(fields->Find("exit"), limits);
  if (!exit) return fields->Fail(exit.error().param, exit.error().message, exit.error().code);
  request->exit = exit->setting;
  request->exit_per_token = exit->per_token;
  if (!exit->certificate.empty()) return RequireCertificate(fields, limits, exit->certificate, request);
  if (fields->Find("exit") == nullptr) TryDefaultCertificate(fields, limits, request);
}

void ReadBestOf(FieldReader* fields, const ApiLimits& limits, GenerationRequest* request) {
  const auto best_of = fields->Integer("best_of", 1, limits.max_choices);
  if (!best_of) return;
  request->best_of = static_cast<int>(*best_of);
  if (request->best_of < request->n) {
    fields->Fail("best_of",
                 fmt::format("'best_of' is {}, it must be at least 'n', {}", request->best_of, request->n));
  }
  if (request->ranked() && request->stream)
    fields->Fail(
        "best_of",
        fmt::format("'best_of' is {} and 'n' is {}, which cannot be streamed: the best are known at the end",
                    request->best_of, request->n));
}

void ReadEcho(FieldReader* fields, GenerationRequest* request) {
  request->echo = fields->Bool("echo", false);
  if (request->max_tokens != 0U || request->echo) return;
  const char* key = fields->Find("max_completion_tokens") == nullptr ? "max_tokens" : "max_completion_tokens";
  fields->Fail(key, fmt::format("'{}' is 0, which needs 'echo': true", key));
}

}  // namespace

ApiResult<GenerationRequest> ParseCompletionRequest(const json::object& body, const ApiLimits& limits) {
  GenerationRequest request;
  FieldReader fields(body);
  ReadCommon(&fields, limits, &request);
  if (const auto n = fields.Integer("logprobs", 0, kMaxLogprobs))
    request.sampling.n_logprobs = static_cast<int>(*n);
  ReadBestOf(&fields, limits, &request);
  ReadEcho(&fields, &request);
  RefuseChatFields(&fields);
  ReadExit(&fields, limits, &request);
  if (!fields.ok()) return fields.error();
  auto prompts = ParsePrompts(fields.Find("prompt"), limits.vocab_size);
  if (!prompts) return prompts.error();
  request.prompts = std::move(*prompts);
  const auto most = static_cast<size_t>(limits.max_choices);
  if (request.prompts.size() * static_cast<size_t>(request.best_of) > most) {
    return BadRequest("prompt",
                      fmt::format("'prompt' has {} prompts, which with '{}' {} are more than {} choices",
                                  request.prompts.size(), request.ranked() ? "best_of" : "n", request.best_of,
                                  limits.max_choices));
  }
  return request;
}

ApiResult<GenerationRequest> ParseChatRequest(const json::object& body, const ApiLimits& limits) {
  GenerationRequest request;
  request.chat = true;
  FieldReader fields(body);
  ReadCommon(&fields, limits, &request);
  const bool logprobs = fields.Bool("logprobs", false);
  const auto top = fields.Integer("top_logprobs", 0, kMaxLogprobs);
  if (logprobs) request.sampling.n_logprobs = static_cast<int>(top.value_or(0));
  if (top && *top > 0 && !logprobs)
    fields.Fail("top_logprobs", fmt::format("'top_logprobs' is {}, which needs 'logprobs': true", *top));
  if (fields.Bool("echo", false)) RefuseOf(&fields, "echo", "/v1/completions");
  if (fields.Integer("best_of", 1, limits.max_choices).value_or(1) > 1)
    RefuseOf(&fields, "best_of", "/v1/completions");
  ReadExit(&fields, limits, &request);
  if (!fields.ok()) return fields.error();
  auto messages = ParseMessages(fields.Find("messages"));
  if (!messages) return messages.error();
  request.messages = std::move(*messages);
  request.rendering = ReadChatFields(&fields, request.messages);
  if (!fields.ok()) return fields.error();
  return request;
}

}  // namespace exeunt::coordinator
