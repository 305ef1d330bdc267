#include "transport/request_message.h"

namespace exeunt {

proto::Sampling ToProto(const SamplingParams& params) {
  proto::Sampling m;
  m.set_temperature(params.temperature);
  m.set_top_p(params.top_p);
  m.set_top_k(params.top_k);
  m.set_min_p(params.min_p);
  m.set_seed(params.seed);
  m.set_choice(params.choice);
  m.set_n_logprobs(params.n_logprobs);
  m.set_frequency_penalty(params.frequency_penalty);
  m.set_presence_penalty(params.presence_penalty);
  m.set_repetition_penalty(params.repetition_penalty);
  m.set_min_tokens(static_cast<uint32_t>(params.min_tokens));
  for (const LogitBias& bias : params.logit_bias) {
    auto* entry = m.add_logit_bias();
    entry->set_token(bias.token);
    entry->set_bias(bias.bias);
  }
  m.mutable_allowed_tokens()->Add(params.allowed_tokens.begin(), params.allowed_tokens.end());
  for (const std::vector<int32_t>& word : params.bad_words)
    m.add_bad_words()->mutable_tokens()->Add(word.begin(), word.end());
  return m;
}

proto::ExitSetting ToProto(const ExitSetting& setting) {
  proto::ExitSetting m;
  m.set_mode(static_cast<uint32_t>(setting.mode));
  m.set_measure(static_cast<uint32_t>(setting.measure));
  m.set_threshold(setting.threshold);
  m.set_min_layer(setting.min_layer);
  if (setting.decay) {
    m.mutable_decay()->set_tau(setting.decay->tau);
    m.mutable_decay()->set_n(setting.decay->n);
  }
  for (const ForcedExit& exit : setting.forced) {
    auto* forced = m.add_forced();
    forced->set_layer(exit.layer);
    forced->set_probability(exit.probability);
  }
  return m;
}

}  // namespace exeunt
