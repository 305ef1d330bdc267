#include "coordinator/openai/generation_request.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <limits>
#include <set>

#include "coordinator/openai/field_reader.h"

namespace exeunt {
namespace {

namespace json = boost::json;

constexpr int64_t kMaxInt = std::numeric_limits<int32_t>::max();

void Unsupported(FieldReader* fields, std::string_view key) {
  fields->Fail(key, fmt::format("'{}' is not built in this server", key), "unsupported_parameter");
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
  for (const char* key : {"tools", "functions", "logit_bias", "presence_penalty", "frequency_penalty",
                          "suffix", "echo", "audio", "prediction", "web_search_options"}) {
    const json::value* value = fields->Find(key);
    if (value != nullptr && !AsksForNothing(*value)) Unsupported(fields, key);
  }
  if (const auto best_of = fields->Integer("best_of", 1, kMaxInt); best_of && *best_of > 1) {
    Unsupported(fields, "best_of");
  }
  const json::value* format = fields->Find("response_format");
  if (format == nullptr) return;
  const json::value* type = format->is_object() ? format->get_object().if_contains("type") : nullptr;
  if (type == nullptr || !type->is_string() || type->get_string() != "text")
    Unsupported(fields, "response_format");
}

void ReadSampling(FieldReader* fields, GenerationRequest* request) {
  SamplingParams& sampling = request->sampling;
  if (const auto v = fields->Number("temperature", 0, 2)) sampling.temperature = static_cast<float>(*v);
  if (const auto v = fields->Number("top_p", 0, 1)) sampling.top_p = static_cast<float>(*v);
  if (!(sampling.top_p > 0)) fields->Fail("top_p", "'top_p' must be above 0");
  if (const auto v = fields->Integer("top_k", -1, kMaxInt))
    sampling.top_k = *v < 0 ? 0 : static_cast<int>(*v);
  if (const auto v = fields->Number("min_p", 0, 1)) sampling.min_p = static_cast<float>(*v);
  if (const auto v =
          fields->Integer("seed", std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max())) {
    sampling.seed = static_cast<uint64_t>(*v);
    request->seeded = true;
  }
}

void ReadStop(FieldReader* fields, const ApiLimits& limits, GenerationRequest* request) {
  const json::value* value = fields->Find("stop");
  if (value == nullptr) return;
  const json::array list = value->is_array() ? value->get_array() : json::array{*value};
  if (list.size() > 4) return fields->Fail("stop", "'stop' may hold at most 4 strings");
  for (const json::value& element : list) {
    if (!element.is_string() || element.get_string().empty()) {
      return fields->Fail("stop", "'stop' must be a string or a list of strings, none of them empty");
    }
    if (element.get_string().size() > limits.max_stop_bytes) {
      return fields->Fail("stop",
                          fmt::format("a string of 'stop' is longer than {} bytes", limits.max_stop_bytes));
    }
    request->stop.emplace_back(element.get_string());
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
  if (!inner.ok()) fields->Fail("stream_options", inner.error().message);
}

// What the certificate does not cover of the request; "": nothing. What the request leaves open, the
// certificate says.
std::string Uncovered(FieldReader* fields, const Certificate& certificate, GenerationRequest* request) {
  SamplingParams& sampling = request->sampling;
  const auto differs = [&](const char* key, double asked, double tested) {
    return fields->Find(key) != nullptr && asked != tested;
  };
  if (differs("temperature", static_cast<double>(sampling.temperature), certificate.temperature))
    return fmt::format("'temperature' {}, not {}", certificate.temperature, sampling.temperature);
  if (differs("top_p", static_cast<double>(sampling.top_p), certificate.top_p) && certificate.temperature > 0)
    return fmt::format("'top_p' {}, not {}", certificate.top_p, sampling.top_p);
  if (differs("top_k", sampling.top_k, certificate.top_k) && certificate.temperature > 0)
    return fmt::format("'top_k' {}, not {}", certificate.top_k, sampling.top_k);
  if (request->max_tokens && *request->max_tokens > static_cast<uint32_t>(certificate.max_tokens))
    return fmt::format("'max_tokens' of at most {}, not {}", certificate.max_tokens, *request->max_tokens);
  if (fields->Find("stop") != nullptr && request->stop != certificate.stop)
    return fmt::format("the stop strings [{}]", fmt::join(certificate.stop, ", "));
  if (request->ignore_eos) return "answers that end where the model ends them, not 'ignore_eos'";
  return {};
}

void Apply(const Certificate& certificate, GenerationRequest* request) {
  request->certificate = certificate.name;
  request->exit = certificate.setting;
  request->sampling.temperature = static_cast<float>(certificate.temperature);
  request->sampling.top_p = static_cast<float>(certificate.top_p);
  request->sampling.top_k = certificate.top_k;
  request->stop = certificate.stop;
  if (!request->max_tokens) request->max_tokens = static_cast<uint32_t>(certificate.max_tokens);
}

// What may be asked for: certificates and families.
std::string OfferedNames(const ApiLimits& limits) {
  std::set<std::string> names;
  for (const Certificate& c : limits.certificates) {
    names.insert(c.name);
    if (!c.family.empty()) names.insert(c.family);
  }
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

void RequireCertificate(FieldReader* fields, const ApiLimits& limits, const std::string& name,
                        GenerationRequest* request) {
  const Certificate* certificate = FindCertificate(limits.certificates, name);
  if (certificate == nullptr) {
    const auto refused = limits.uncertified.find(name);
    const std::string why =
        refused == limits.uncertified.end()
            ? fmt::format("there is no certificate '{}'; there are {}", name, OfferedNames(limits))
            : fmt::format("certificate '{}' does not hold here: {}", name, refused->second);
    return fields->Fail("exit.certificate", why, "not_certified");
  }
  const std::string uncovered = Uncovered(fields, *certificate, request);
  if (uncovered.empty()) return Apply(*certificate, request);
  fields->Fail("exit.certificate", fmt::format("certificate '{}' holds for {}", name, uncovered),
               "not_certified");
}

// A request that the server's certificate does not cover runs in full.
void TryDefaultCertificate(FieldReader* fields, const ApiLimits& limits, GenerationRequest* request) {
  const Certificate* certificate = FindCertificate(limits.certificates, limits.default_certificate);
  if (certificate == nullptr) return;
  if (Uncovered(fields, *certificate, request).empty()) return Apply(*certificate, request);
  request->exit = {};
}

// What both endpoints have.
void ReadCommon(FieldReader* fields, const ApiLimits& limits, GenerationRequest* request) {
  if (const auto model = fields->String("model")) request->model = *model;
  if (request->model.empty()) fields->Fail("model", "'model' is missing");
  if (const auto n = fields->Integer("n", 1, limits.max_choices)) request->n = static_cast<int>(*n);
  for (const char* key : {"max_tokens", "max_completion_tokens"}) {
    if (const auto v = fields->Integer(key, 1, kMaxInt)) request->max_tokens = static_cast<uint32_t>(*v);
  }
  ReadSampling(fields, request);
  ReadStop(fields, limits, request);
  ReadStream(fields, request);
  request->ignore_eos = fields->Bool("ignore_eos", false);
  RefuseWhatIsNotBuilt(fields);
  const auto exit = ParseExitField(fields->Find("exit"), limits);
  if (!exit) return fields->Fail(exit.error().param, exit.error().message, exit.error().code);
  request->exit = exit->setting;
  request->exit_per_token = exit->per_token;
  if (!exit->certificate.empty()) return RequireCertificate(fields, limits, exit->certificate, request);
  if (fields->Find("exit") == nullptr) TryDefaultCertificate(fields, limits, request);
}

}  // namespace

ApiResult<GenerationRequest> ParseCompletionRequest(const json::object& body, const ApiLimits& limits) {
  GenerationRequest request;
  FieldReader fields(body);
  ReadCommon(&fields, limits, &request);
  if (const auto n = fields.Integer("logprobs", 0, kMaxLogprobs))
    request.sampling.n_logprobs = static_cast<int>(*n);
  if (!fields.ok()) return fields.error();
  auto prompts = ParsePrompts(fields.Find("prompt"), limits.vocab_size);
  if (!prompts) return prompts.error();
  request.prompts = std::move(*prompts);
  if (request.prompts.size() * static_cast<size_t>(request.n) > static_cast<size_t>(limits.max_choices)) {
    return BadRequest("prompt", fmt::format("{} prompts with n = {} are more than {} choices",
                                            request.prompts.size(), request.n, limits.max_choices));
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
  if (!fields.ok()) return fields.error();
  auto messages = ParseMessages(fields.Find("messages"));
  if (!messages) return messages.error();
  request.messages = std::move(*messages);
  return request;
}

}  // namespace exeunt
