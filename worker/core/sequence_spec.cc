#include "worker/core/sequence_spec.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/error.h"
#include "kernels/kv_layout.h"
#include "transport/request_message.h"

namespace exeunt {
namespace {

Status CheckTokens(const char* what, const std::vector<int32_t>& tokens, int vocab_size) {
  for (int32_t token : tokens) {
    if (token < 0 || token >= vocab_size)
      return InvalidArgument("{} token {} is outside [0, {})", what, token, vocab_size);
  }
  return OkStatus();
}

Status TakeAllowedTokens(const proto::Sampling& m, int vocab_size, SamplingParams* s) {
  if (m.allowed_tokens_size() > kMaxAllowedTokens)
    return InvalidArgument("{} allowed tokens are more than {}", m.allowed_tokens_size(), kMaxAllowedTokens);
  s->allowed_tokens.assign(m.allowed_tokens().begin(), m.allowed_tokens().end());
  RETURN_IF_ERROR(CheckTokens("allowed", s->allowed_tokens, vocab_size));
  const auto& tokens = s->allowed_tokens;
  const auto unordered = std::adjacent_find(tokens.begin(), tokens.end(), std::greater_equal<>());
  if (unordered == tokens.end()) return OkStatus();
  return InvalidArgument("allowed token {} stands before {}, they must ascend", *unordered, *(unordered + 1));
}

Status TakeBadWords(const proto::Sampling& m, int vocab_size, SamplingParams* s) {
  int total = 0;
  for (const proto::TokenSequence& word : m.bad_words()) {
    if (word.tokens().empty()) return InvalidArgument("a bad word has no tokens");
    total += std::min(word.tokens_size(), kMaxBadWordTokens + 1);
    if (total > kMaxBadWordTokens)
      return InvalidArgument("bad words of {} tokens or more, at most {}", total, kMaxBadWordTokens);
    s->bad_words.emplace_back(word.tokens().begin(), word.tokens().end());
    RETURN_IF_ERROR(CheckTokens("bad word's", s->bad_words.back(), vocab_size));
  }
  return OkStatus();
}

Result<SamplingParams> SamplingFromProto(const proto::Sampling& m, int vocab_size) {
  SamplingParams s;
  s.temperature = m.temperature();
  s.top_p = m.top_p();
  s.top_k = m.top_k();
  s.min_p = m.min_p();
  s.seed = m.seed();
  s.choice = m.choice();
  s.n_logprobs = std::min(m.n_logprobs(), kMaxLogprobs);
  s.frequency_penalty = m.frequency_penalty();
  s.presence_penalty = m.presence_penalty();
  if (m.repetition_penalty() != 0.0F) s.repetition_penalty = m.repetition_penalty();
  if (!(s.repetition_penalty > 0.0F))
    return InvalidArgument("repetition_penalty {} is not positive", s.repetition_penalty);
  if (!std::isfinite(s.frequency_penalty) || !std::isfinite(s.presence_penalty)) {
    return InvalidArgument("frequency_penalty {} or presence_penalty {} is not finite", s.frequency_penalty,
                           s.presence_penalty);
  }
  s.min_tokens = static_cast<int>(std::min(m.min_tokens(), uint32_t{1} << 30));
  if (m.logit_bias_size() > kMaxLogitBiases)
    return InvalidArgument("{} logit biases are more than {}", m.logit_bias_size(), kMaxLogitBiases);
  for (const auto& bias : m.logit_bias()) {
    if (bias.token() < 0 || bias.token() >= vocab_size || !std::isfinite(bias.bias())) {
      return InvalidArgument("logit bias {} of token {}, which must be in [0, {})", bias.bias(), bias.token(),
                             vocab_size);
    }
    s.logit_bias.push_back({bias.token(), bias.bias()});
  }
  RETURN_IF_ERROR(TakeAllowedTokens(m, vocab_size, &s));
  RETURN_IF_ERROR(TakeBadWords(m, vocab_size, &s));
  return s;
}

Result<ExitSetting> ExitFromProto(const proto::ExitSetting& m, int n_layers) {
  if (m.mode() > static_cast<uint32_t>(ExitMode::kVerify))
    return InvalidArgument("exit mode {} is unknown", m.mode());
  if (m.measure() > static_cast<uint32_t>(ExitMeasure::kCandidates)) {
    return InvalidArgument("exit measure {} is unknown", m.measure());
  }
  ExitSetting e;
  e.mode = static_cast<ExitMode>(m.mode());
  if (e.mode == ExitMode::kExact || e.mode == ExitMode::kVerify) {
    return Unimplemented("exit mode {} is not built yet; modes are off and propagate",
                         e.mode == ExitMode::kExact ? "exact" : "verify");
  }
  e.measure = static_cast<ExitMeasure>(m.measure());
  e.threshold = m.threshold();
  e.min_layer = m.min_layer();
  if (m.has_decay()) {
    if (m.decay().n() <= 0) return InvalidArgument("exit decay n {} is not positive", m.decay().n());
    e.decay = ExitDecay{m.decay().tau(), m.decay().n()};
  }
  for (const auto& f : m.forced()) {
    if (f.layer() < 1 || f.layer() >= n_layers) {
      return InvalidArgument("forced exit layer {} is outside [1, {})", f.layer(), n_layers);
    }
    e.forced.push_back({f.layer(), f.probability()});
  }
  return e;
}

// The last row of a prompt is never shared: it gives the first token.
bool CanShare(uint32_t tokens, const proto::OpenSequence& m) {
  return tokens % kPageTokens == 0 && tokens < static_cast<uint32_t>(m.prompt_size());
}

Status TakePrefix(const proto::OpenSequence& m, SequenceSpec* spec) {
  if (!CanShare(m.retain_tokens(), m)) {
    return InvalidArgument("retain_tokens {} is no multiple of {} below the prompt's {}", m.retain_tokens(),
                           kPageTokens, m.prompt_size());
  }
  spec->retain_tokens = static_cast<int>(m.retain_tokens());
  if (m.prefix_of() == 0 && m.prefix_tokens() == 0) return OkStatus();
  if (m.prefix_of() == 0 || m.prefix_of() == m.sequence()) {
    return InvalidArgument("prefix_of {} is no other sequence", m.prefix_of());
  }
  if (m.prefix_tokens() == 0 || !CanShare(m.prefix_tokens(), m)) {
    return InvalidArgument("prefix_tokens {} is no multiple of {} below the prompt's {}", m.prefix_tokens(),
                           kPageTokens, m.prompt_size());
  }
  spec->prefix_of = m.prefix_of();
  spec->prefix_tokens = static_cast<int>(m.prefix_tokens());
  return OkStatus();
}

}  // namespace

bool SequenceSpec::IsEnd(int32_t token) const {
  return std::find(end_tokens.begin(), end_tokens.end(), token) != end_tokens.end();
}

proto::OpenSequence ToProto(const SequenceSpec& spec) {
  proto::OpenSequence m;
  m.set_sequence(spec.sequence);
  m.mutable_prompt()->Add(spec.prompt.begin(), spec.prompt.end());
  m.set_max_tokens(static_cast<uint32_t>(spec.max_tokens));
  *m.mutable_sampling() = ToProto(spec.sampling);
  *m.mutable_exit() = ToProto(spec.exit);
  m.mutable_end_tokens()->Add(spec.end_tokens.begin(), spec.end_tokens.end());
  m.set_want_logits(spec.want_logits);
  m.set_prefix_of(spec.prefix_of);
  m.set_prefix_tokens(static_cast<uint32_t>(spec.prefix_tokens));
  m.set_retain_tokens(static_cast<uint32_t>(spec.retain_tokens));
  m.set_score_from(static_cast<uint32_t>(spec.score_from));
  return m;
}

Result<SequenceSpec> FromProto(const proto::OpenSequence& m, const SequenceLimits& limits) {
  if (m.sequence() == 0) return InvalidArgument("sequence number 0");
  const auto positions = static_cast<uint64_t>(m.prompt_size()) + m.max_tokens();
  if (m.prompt_size() == 0 || m.max_tokens() == 0 ||
      positions > static_cast<uint64_t>(limits.context_length)) {
    return InvalidArgument("prompt of {} and max_tokens {} do not fit the context of {} tokens",
                           m.prompt_size(), m.max_tokens(), limits.context_length);
  }
  SequenceSpec spec;
  spec.sequence = m.sequence();
  spec.prompt.assign(m.prompt().begin(), m.prompt().end());
  spec.end_tokens.assign(m.end_tokens().begin(), m.end_tokens().end());
  RETURN_IF_ERROR(CheckTokens("prompt", spec.prompt, limits.vocab_size));
  RETURN_IF_ERROR(CheckTokens("end", spec.end_tokens, limits.vocab_size));
  spec.max_tokens = static_cast<int>(m.max_tokens());
  ASSIGN_OR_RETURN(spec.sampling, SamplingFromProto(m.sampling(), limits.vocab_size));
  ASSIGN_OR_RETURN(spec.exit, ExitFromProto(m.exit(), limits.n_layers));
  spec.want_logits = m.want_logits();
  RETURN_IF_ERROR(TakePrefix(m, &spec));
  // The row before a scored token runs here.
  if (m.score_from() != 0 &&
      (m.score_from() >= static_cast<uint32_t>(m.prompt_size()) || m.score_from() <= m.prefix_tokens())) {
    return InvalidArgument("score_from {} is outside the prompt's own positions ({}, {})", m.score_from(),
                           m.prefix_tokens(), m.prompt_size());
  }
  spec.score_from = static_cast<int>(m.score_from());
  return spec;
}

}  // namespace exeunt
