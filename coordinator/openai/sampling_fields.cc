// Reads how tokens are drawn and what ends an answer.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <limits>
#include <map>

#include "coordinator/openai/json_text.h"
#include "coordinator/openai/request_fields.h"
#include "text/utf8.h"

namespace exeunt::coordinator {
namespace {

namespace json = boost::json;

constexpr int64_t kMaxInt = std::numeric_limits<int32_t>::max();
constexpr double kLeastRepetitionPenalty = 0.01;
constexpr size_t kMaxStopTokens = 256;
constexpr size_t kMaxBadWords = 512;
constexpr size_t kMaxBadWordCharacters = 1024;

void ReadPenalties(FieldReader* fields, SamplingParams* sampling) {
  if (const auto v = fields->Number("frequency_penalty", -2, 2))
    sampling->frequency_penalty = static_cast<float>(*v);
  if (const auto v = fields->Number("presence_penalty", -2, 2))
    sampling->presence_penalty = static_cast<float>(*v);
  if (const auto v = fields->Number("repetition_penalty", kLeastRepetitionPenalty, 100))
    sampling->repetition_penalty = static_cast<float>(*v);
}

void ReadAllowedTokens(FieldReader* fields, const ApiLimits& limits, SamplingParams* sampling) {
  auto tokens = fields->TokenIds("allowed_token_ids", kMaxAllowedTokens, limits.vocab_size);
  if (!tokens) return;
  if (tokens->empty())
    return fields->FailAs("allowed_token_ids", *fields->Find("allowed_token_ids"),
                          "a list of at least one token id");
  std::sort(tokens->begin(), tokens->end());
  tokens->erase(std::unique(tokens->begin(), tokens->end()), tokens->end());
  sampling->allowed_tokens = std::move(*tokens);
}

void ReadBadWords(FieldReader* fields, GenerationRequest* request) {
  const json::value* value = fields->Find("bad_words");
  if (value == nullptr) return;
  if (!value->is_array()) return fields->FailAs("bad_words", *value, "a list of strings");
  if (const size_t size = value->get_array().size(); size > kMaxBadWords)
    return fields->Fail("bad_words", fmt::format("'bad_words' has {} words, at most {}", size, kMaxBadWords));
  for (const json::value& element : value->get_array()) {
    const std::string_view word = element.is_string() ? std::string_view(element.get_string()) : "";
    // As in vLLM, a word is searched with and without a space before it.
    const size_t begin = word.find_first_not_of(" \t\r\n\f\v");
    if (begin == std::string_view::npos || text::CountCharacters(word) > kMaxBadWordCharacters) {
      return fields->Fail(
          "bad_words",
          fmt::format("{} of 'bad_words' must be a string of 1 to {} characters, not of blanks alone",
                      JsonExcerpt(element), kMaxBadWordCharacters));
    }
    request->bad_words.emplace_back(word.substr(begin));
  }
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
  if (!value->is_object()) return fields->FailAs("logit_bias", *value, "an object of token ids and biases");
  if (value->get_object().size() > kMaxLogitBiases)
    return fields->Fail("logit_bias", fmt::format("'logit_bias' has {} tokens, at most {}",
                                                  value->get_object().size(), kMaxLogitBiases));
  std::map<int32_t, float> biases;
  for (const auto& [key, element] : value->get_object()) {
    const auto token = TokenIdOf(key, limits.vocab_size);
    if (!token) {
      return fields->Fail("logit_bias", fmt::format("'{}' of 'logit_bias' is no token id in [0, {})",
                                                    Excerpt(key), limits.vocab_size));
    }
    boost::system::error_code error;
    const auto bias = element.to_number<double>(error);
    if (error || !(bias >= -100 && bias <= 100)) {
      return fields->Fail(
          "logit_bias",
          fmt::format("the bias of token {} in 'logit_bias' is {}, it must be a number between -100 and 100",
                      *token, JsonExcerpt(element)));
    }
    if (bias != 0) biases[*token] = static_cast<float>(bias);
  }
  for (const auto& [token, bias] : biases) sampling->logit_bias.push_back({token, bias});
}

void ReadStopStrings(FieldReader* fields, const ApiLimits& limits, GenerationRequest* request) {
  const json::value* value = fields->Find("stop");
  if (value == nullptr) return;
  const json::array list = value->is_array() ? value->get_array() : json::array{*value};
  if (list.size() > 4)
    return fields->Fail("stop", fmt::format("'stop' has {} strings, at most 4", list.size()));
  for (const json::value& element : list) {
    if (!element.is_string() || element.get_string().empty()) {
      return fields->FailAs("stop", *value, "a string or a list of strings, none of them empty");
    }
    if (text::CountCharacters(element.get_string()) > limits.max_stop_characters) {
      return fields->Fail(
          "stop", fmt::format("{} of 'stop' has {} characters, at most {}", JsonExcerpt(element),
                              text::CountCharacters(element.get_string()), limits.max_stop_characters));
    }
    request->stop.emplace_back(element.get_string());
  }
}

}  // namespace

void ReadSampling(FieldReader* fields, const ApiLimits& limits, GenerationRequest* request) {
  SamplingParams& sampling = request->sampling;
  const auto temperature = fields->Number("temperature", 0, 2);
  if (temperature) sampling.temperature = static_cast<float>(*temperature);
  // As in TGI, sampling is greedy unless another field asks for a draw.
  if (!fields->Bool("do_sample", true) && !temperature) sampling.temperature = 0.0F;
  if (const auto v = fields->Number("top_p", 0, 1)) {
    if (*v == 0) fields->Fail("top_p", "'top_p' is 0, it must be above 0");
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
  ReadAllowedTokens(fields, limits, &sampling);
  ReadBadWords(fields, request);
  const int64_t most = request->max_tokens.value_or(static_cast<uint32_t>(kMaxInt));
  if (const auto v = fields->Integer("min_tokens", 0, most)) sampling.min_tokens = static_cast<int>(*v);
}

void ReadStop(FieldReader* fields, const ApiLimits& limits, GenerationRequest* request) {
  ReadStopStrings(fields, limits, request);
  if (auto tokens = fields->TokenIds("stop_token_ids", kMaxStopTokens, limits.vocab_size))
    request->stop_token_ids = std::move(*tokens);
  request->ignore_eos = fields->Bool("ignore_eos", false);
}

}  // namespace exeunt::coordinator
