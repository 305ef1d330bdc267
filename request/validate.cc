#include "request/validate.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/error.h"

namespace exeunt {
namespace {

Status CheckTokens(const char* what, const std::vector<int32_t>& tokens, int vocab_size) {
  for (int32_t token : tokens) {
    if (token < 0 || token >= vocab_size)
      return InvalidArgument("{} token {} is outside [0, {})", what, token, vocab_size);
  }
  return OkStatus();
}

Status CheckLengths(const SequenceRequest& r, const RequestLimits& limits) {
  const auto context = static_cast<int64_t>(limits.context_length);
  if (r.prompt.empty() || r.max_tokens <= 0 ||
      static_cast<int64_t>(r.prompt.size()) + r.max_tokens > context) {
    return InvalidArgument("prompt of {} and max_tokens {} do not fit the context of {} tokens",
                           r.prompt.size(), r.max_tokens, context);
  }
  if (r.generated.size() >= static_cast<size_t>(r.max_tokens)) {
    return InvalidArgument("{} generated tokens leave nothing of max_tokens {}", r.generated.size(),
                           r.max_tokens);
  }
  if (r.score_from < 0 || static_cast<size_t>(r.score_from) >= r.prompt.size()) {
    return InvalidArgument("score_from {} is outside the prompt's own positions (0, {})", r.score_from,
                           r.prompt.size());
  }
  return OkStatus();
}

Status CheckGenerated(const std::vector<LoggedToken>& generated, const RequestLimits& limits) {
  for (const LoggedToken& logged : generated) {
    RETURN_IF_ERROR(CheckTokens("generated", {logged.token}, limits.vocab_size));
    if (logged.exit_layer < 1 || logged.exit_layer > limits.n_layers) {
      return InvalidArgument("generated token's exit_layer {} is outside [1, {}]", logged.exit_layer,
                             limits.n_layers);
    }
  }
  return OkStatus();
}

Status CheckAllowedTokens(const std::vector<int32_t>& tokens, int vocab_size) {
  if (tokens.size() > kMaxAllowedTokens)
    return InvalidArgument("{} allowed tokens are more than {}", tokens.size(), kMaxAllowedTokens);
  RETURN_IF_ERROR(CheckTokens("allowed", tokens, vocab_size));
  const auto unordered = std::adjacent_find(tokens.begin(), tokens.end(), std::greater_equal<>());
  if (unordered == tokens.end()) return OkStatus();
  return InvalidArgument("allowed token {} stands before {}, they must ascend", *unordered, *(unordered + 1));
}

Status CheckBadWords(const std::vector<std::vector<int32_t>>& words, int vocab_size) {
  size_t total = 0;
  for (const std::vector<int32_t>& word : words) {
    if (word.empty()) return InvalidArgument("a bad word has no tokens");
    total += word.size();
    if (total > kMaxBadWordTokens)
      return InvalidArgument("bad words of {} tokens or more, at most {}", total, kMaxBadWordTokens);
    RETURN_IF_ERROR(CheckTokens("bad word's", word, vocab_size));
  }
  return OkStatus();
}

Status CheckLogitBias(const std::vector<LogitBias>& biases, int vocab_size) {
  if (biases.size() > kMaxLogitBiases)
    return InvalidArgument("{} logit biases are more than {}", biases.size(), kMaxLogitBiases);
  for (const LogitBias& bias : biases) {
    if (bias.token < 0 || bias.token >= vocab_size || !std::isfinite(bias.bias)) {
      return InvalidArgument("logit bias {} of token {}, which must be in [0, {})", bias.bias, bias.token,
                             vocab_size);
    }
  }
  return OkStatus();
}

Status CheckSampling(const SamplingParams& s, int vocab_size) {
  if (!(s.repetition_penalty > 0.0F))
    return InvalidArgument("repetition_penalty {} is not positive", s.repetition_penalty);
  if (!std::isfinite(s.frequency_penalty) || !std::isfinite(s.presence_penalty)) {
    return InvalidArgument("frequency_penalty {} or presence_penalty {} is not finite", s.frequency_penalty,
                           s.presence_penalty);
  }
  if (s.n_logprobs > kMaxLogprobs)
    return InvalidArgument("n_logprobs {} is more than {}", s.n_logprobs, kMaxLogprobs);
  if (s.min_tokens < 0) return InvalidArgument("min_tokens {} is negative", s.min_tokens);
  RETURN_IF_ERROR(CheckLogitBias(s.logit_bias, vocab_size));
  RETURN_IF_ERROR(CheckAllowedTokens(s.allowed_tokens, vocab_size));
  return CheckBadWords(s.bad_words, vocab_size);
}

Status CheckExit(const ExitSetting& e, int n_layers) {
  if (e.mode > ExitMode::kVerify)
    return InvalidArgument("exit mode {} is unknown", static_cast<uint32_t>(e.mode));
  if (!IsExitMeasure(e.measure))
    return InvalidArgument("exit measure {} is unknown", static_cast<uint32_t>(e.measure));
  if (e.decay && e.decay->n <= 0) return InvalidArgument("exit decay n {} is not positive", e.decay->n);
  for (const ForcedExit& f : e.forced) {
    if (f.layer < 1 || f.layer >= n_layers)
      return InvalidArgument("forced exit layer {} is outside [1, {})", f.layer, n_layers);
  }
  return OkStatus();
}

}  // namespace

Status Validate(const SequenceRequest& request, const RequestLimits& limits) {
  RETURN_IF_ERROR(CheckLengths(request, limits));
  RETURN_IF_ERROR(CheckTokens("prompt", request.prompt, limits.vocab_size));
  RETURN_IF_ERROR(CheckGenerated(request.generated, limits));
  RETURN_IF_ERROR(CheckTokens("end", request.end_tokens, limits.vocab_size));
  RETURN_IF_ERROR(CheckSampling(request.sampling, limits.vocab_size));
  RETURN_IF_ERROR(CheckExit(request.exit, limits.n_layers));
  if (request.priority < kFirstPriority || request.priority > kBackgroundPriority) {
    return InvalidArgument("priority {} is outside [{}, {}]", request.priority, kFirstPriority,
                           kBackgroundPriority);
  }
  if (request.timeout && *request.timeout <= Duration{0})
    return InvalidArgument("timeout {} s is not positive", Seconds(*request.timeout));
  return OkStatus();
}

}  // namespace exeunt
