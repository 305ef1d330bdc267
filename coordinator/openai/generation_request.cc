#include "coordinator/openai/generation_request.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "coordinator/openai/chat_fields.h"
#include "coordinator/openai/field_reader.h"
#include "coordinator/openai/request_fields.h"
#include "model/utf8.h"

namespace exeunt {
namespace {

namespace json = boost::json;

void Unsupported(FieldReader* fields, std::string_view key) {
  fields->Fail(key, fmt::format("'{}' is not built in this server", key), "unsupported_parameter");
}

// What only the other endpoint has.
void RefuseOf(FieldReader* fields, std::string_view key, std::string_view endpoint) {
  fields->Fail(key, fmt::format("'{}' is for {}", key, endpoint), "unsupported_parameter");
}

// A field that is not built is harmless when it asks for nothing.
bool AsksForNothing(const json::value& value) {
  if (value.is_bool()) return !value.get_bool();
  if (value.is_string()) return value.get_string().empty();
  if (value.is_array()) return value.get_array().empty();
  if (value.is_object()) return value.get_object().empty();
  return value.is_null() || value.to_number<double>() == 0;
}

void RefuseWhatIsNotBuilt(FieldReader* fields) {
  for (const char* key : {"tools", "functions", "suffix", "audio", "prediction", "web_search_options",
                          "guided_json", "guided_regex", "guided_choice", "guided_grammar"}) {
    const json::value* value = fields->Find(key);
    if (value != nullptr && !AsksForNothing(*value)) Unsupported(fields, key);
  }
  const json::value* format = fields->Find("response_format");
  if (format == nullptr) return;
  const json::value* type = format->is_object() ? format->get_object().if_contains("type") : nullptr;
  if (type == nullptr || !type->is_string())
    return fields->Fail("response_format", "'response_format' must be an object with a 'type'");
  if (type->get_string() != "text") {
    fields->Fail("response_format",
                 fmt::format("'response_format' of type '{}' is not built in this server; there is 'text'",
                             std::string_view(type->get_string())),
                 "unsupported_value");
  }
}

void ReadStream(FieldReader* fields, GenerationRequest* request) {
  request->stream = fields->Bool("stream", false);
  const json::value* options = fields->Find("stream_options");
  if (options == nullptr) return;
  if (!request->stream) return fields->Fail("stream_options", "'stream_options' needs 'stream': true");
  if (!options->is_object()) return fields->Fail("stream_options", "'stream_options' must be an object");
  FieldReader inner(options->get_object(), "stream_options.");
  request->include_usage = inner.Bool("include_usage", false);
  request->continuous_usage = inner.Bool("continuous_usage_stats", false);
  if (!inner.ok()) fields->Fail(inner.error().param, inner.error().message);
}

void ReadUrgency(FieldReader* fields, GenerationRequest* request) {
  constexpr double kMaxTimeout = 24 * 3600;
  if (const auto priority = fields->Integer("priority", kFirstPriority, kLastPriority))
    request->priority = static_cast<int>(*priority);
  const auto timeout = fields->Number("timeout", 0, kMaxTimeout);
  if (!timeout) return;
  if (*timeout == 0) return fields->Fail("timeout", "'timeout' must be above 0");
  request->timeout = FromSeconds(*timeout);
}

// Nothing is done with either.
void CheckUserAndMetadata(FieldReader* fields) {
  constexpr size_t kMaxPairs = 16, kMaxKey = 64, kMaxValue = 512;
  fields->String("user");
  const json::value* value = fields->Find("metadata");
  if (value == nullptr) return;
  const json::object* pairs = value->if_object();
  if (pairs == nullptr) return fields->Fail("metadata", "'metadata' must be an object");
  if (pairs->size() > kMaxPairs) {
    return fields->Fail("metadata",
                        fmt::format("'metadata' has {} pairs, at most {}", pairs->size(), kMaxPairs));
  }
  for (const auto& [key, text] : *pairs) {
    if (CountCharacters(key) > kMaxKey) {
      fields->Fail("metadata", fmt::format("a key of 'metadata' is longer than {} characters", kMaxKey));
    } else if (!text.is_string() || CountCharacters(text.get_string()) > kMaxValue) {
      fields->Fail("metadata",
                   fmt::format("values of 'metadata' must be strings of at most {} characters", kMaxValue));
    }
  }
}

// What both endpoints have.
void ReadCommon(FieldReader* fields, const ApiLimits& limits, GenerationRequest* request) {
  if (const auto model = fields->String("model")) request->model = *model;
  if (request->model.empty()) fields->Fail("model", "'model' is missing");
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
  CheckUserAndMetadata(fields);
  RefuseWhatIsNotBuilt(fields);
}

// After all other fields: a certificate is compared with them.
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
    fields->Fail("best_of", "'best_of' cannot be streamed: the best are known at the end");
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
                      fmt::format("{} prompts with {} = {} are more than {} choices", request.prompts.size(),
                                  request.ranked() ? "best_of" : "n", request.best_of, limits.max_choices));
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
  if (top && *top > 0 && !logprobs) fields.Fail("top_logprobs", "'top_logprobs' needs 'logprobs': true");
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

}  // namespace exeunt
