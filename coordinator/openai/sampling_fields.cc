// How tokens are drawn, and what ends an answer.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <limits>
#include <map>

#include "coordinator/openai/request_fields.h"
#include "model/utf8.h"

namespace exeunt {
namespace {

namespace json = boost::json;

constexpr int64_t kMaxInt = std::numeric_limits<int32_t>::max();
constexpr double kLeastRepetitionPenalty = 0.01;
constexpr size_t kMaxStopTokens = 256;

void ReadPenalties(FieldReader* fields, SamplingParams* sampling) {
  if (const auto v = fields->Number("frequency_penalty", -2, 2))
    sampling->frequency_penalty = static_cast<float>(*v);
  if (const auto v = fields->Number("presence_penalty", -2, 2))
    sampling->presence_penalty = static_cast<float>(*v);
  if (const auto v = fields->Number("repetition_penalty", kLeastRepetitionPenalty, 100))
    sampling->repetition_penalty = static_cast<float>(*v);
}

std::optional<int32_t> TokenIdOf(std::string_view text, int vocab_size) {
  int32_t token = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), token);
  if (error != std::errc() || end != text.data() + text.size() || token < 0 || token >= vocab_size)
    return std::nullopt;
  return token;
}

void ReadLogitBias(FieldReader* fields, const ApiLimits& limits, SamplingParams* sampling) {
  const json::value* value = fields->Find("logit_bias");
  if (value == nullptr) return;
  if (!value->is_object())
    return fields->Fail("logit_bias", "'logit_bias' must be an object of token ids and biases");
  if (value->get_object().size() > kMaxLogitBiases)
    return fields->Fail("logit_bias", fmt::format("'logit_bias' has over {} tokens", kMaxLogitBiases));
  std::map<int32_t, float> biases;
  for (const auto& [key, element] : value->get_object()) {
    const auto token = TokenIdOf(key, limits.vocab_size);
    if (!token) {
      return fields->Fail("logit_bias", fmt::format("'{}' of 'logit_bias' is no token id in [0, {})",
                                                    std::string_view(key), limits.vocab_size));
    }
    boost::system::error_code error;
    const auto bias = element.to_number<double>(error);
    if (error || !(bias >= -100 && bias <= 100)) {
      return fields->Fail("logit_bias", fmt::format("the bias of token {} in 'logit_bias' must be a number "
                                                    "between -100 and 100",
                                                    *token));
    }
    if (bias != 0) biases[*token] = static_cast<float>(bias);
  }
  for (const auto& [token, bias] : biases) sampling->logit_bias.push_back({token, bias});
}

void ReadStopStrings(FieldReader* fields, const ApiLimits& limits, GenerationRequest* request) {
  const json::value* value = fields->Find("stop");
  if (value == nullptr) return;
  const json::array list = value->is_array() ? value->get_array() : json::array{*value};
  if (list.size() > 4) return fields->Fail("stop", "'stop' may hold at most 4 strings");
  for (const json::value& element : list) {
    if (!element.is_string() || element.get_string().empty()) {
      return fields->Fail("stop", "'stop' must be a string or a list of strings, none of them empty");
    }
    if (CountCharacters(element.get_string()) > limits.max_stop_characters) {
      return fields->Fail(
          "stop", fmt::format("a string of 'stop' is longer than {} characters", limits.max_stop_characters));
    }
    request->stop.emplace_back(element.get_string());
  }
}

void ReadStopTokens(FieldReader* fields, const ApiLimits& limits, GenerationRequest* request) {
  const json::value* value = fields->Find("stop_token_ids");
  if (value == nullptr) return;
  const auto fail = [&] {
    fields->Fail("stop_token_ids",
                 fmt::format("'stop_token_ids' must be a list of at most {} token ids in [0, {})",
                             kMaxStopTokens, limits.vocab_size));
  };
  if (!value->is_array() || value->get_array().size() > kMaxStopTokens) return fail();
  for (const json::value& element : value->get_array()) {
    boost::system::error_code error;
    const auto token = element.to_number<int32_t>(error);
    if (error || token < 0 || token >= limits.vocab_size) return fail();
    request->stop_token_ids.push_back(token);
  }
}

}  // namespace

void ReadSampling(FieldReader* fields, const ApiLimits& limits, GenerationRequest* request) {
  SamplingParams& sampling = request->sampling;
  if (const auto v = fields->Number("temperature", 0, 2)) sampling.temperature = static_cast<float>(*v);
  if (const auto v = fields->Number("top_p", 0, 1)) {
    if (*v == 0) fields->Fail("top_p", "'top_p' must be above 0");
    sampling.top_p = std::max(static_cast<float>(*v), std::numeric_limits<float>::min());
  }
  if (const auto v = fields->Integer("top_k", -1, kMaxInt))
    sampling.top_k = *v < 0 ? 0 : static_cast<int>(*v);
  if (const auto v = fields->Number("min_p", 0, 1)) sampling.min_p = static_cast<float>(*v);
  if (const auto v =
          fields->Integer("seed", std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max())) {
    sampling.seed = static_cast<uint64_t>(*v);
    request->seeded = true;
  }
  ReadPenalties(fields, &sampling);
  ReadLogitBias(fields, limits, &sampling);
  const int64_t most = request->max_tokens.value_or(static_cast<uint32_t>(kMaxInt));
  if (const auto v = fields->Integer("min_tokens", 0, most)) sampling.min_tokens = static_cast<int>(*v);
}

void ReadStop(FieldReader* fields, const ApiLimits& limits, GenerationRequest* request) {
  ReadStopStrings(fields, limits, request);
  ReadStopTokens(fields, limits, request);
  request->ignore_eos = fields->Bool("ignore_eos", false);
}

}  // namespace exeunt
