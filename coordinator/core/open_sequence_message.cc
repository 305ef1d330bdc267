#include "coordinator/core/open_sequence_message.h"

namespace exeunt {
namespace {

void FillSampling(const SamplingParams& from, proto::Sampling* to) {
  to->set_temperature(from.temperature);
  to->set_top_p(from.top_p);
  to->set_top_k(from.top_k);
  to->set_min_p(from.min_p);
  to->set_seed(from.seed);
  to->set_choice(from.choice);
  to->set_n_logprobs(from.n_logprobs);
}

void FillExit(const ExitSetting& from, proto::ExitSetting* to) {
  to->set_mode(static_cast<uint32_t>(from.mode));
  to->set_measure(static_cast<uint32_t>(from.measure));
  to->set_threshold(from.threshold);
  to->set_min_layer(from.min_layer);
  if (from.decay) {
    to->mutable_decay()->set_tau(from.decay->tau);
    to->mutable_decay()->set_n(from.decay->n);
  }
  for (const ForcedExit& exit : from.forced) {
    proto::ForcedExit& forced = *to->add_forced();
    forced.set_layer(exit.layer);
    forced.set_probability(exit.probability);
  }
}

}  // namespace

proto::OpenSequence OpenSequenceMessage(uint64_t sequence, const RequestRecord& record) {
  proto::OpenSequence open;
  open.set_sequence(sequence);
  open.mutable_prompt()->Add(record.prompt.begin(), record.prompt.end());
  open.set_max_tokens(record.max_tokens);
  FillSampling(record.sampling, open.mutable_sampling());
  FillExit(record.exit, open.mutable_exit());
  open.mutable_end_tokens()->Add(record.end_tokens.begin(), record.end_tokens.end());
  return open;
}

}  // namespace exeunt
