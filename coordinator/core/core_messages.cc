#include "coordinator/core/core_messages.h"

#include "transport/request_message.h"

namespace exeunt {
namespace {

std::vector<LikelyToken> TopOf(const google::protobuf::RepeatedPtrField<proto::TokenLogprob>& top) {
  std::vector<LikelyToken> tokens;
  tokens.reserve(static_cast<size_t>(top.size()));
  for (const proto::TokenLogprob& t : top) tokens.push_back({t.token(), t.logprob()});
  return tokens;
}

}  // namespace

proto::OpenSequence OpenSequenceMessage(uint64_t sequence, const SequenceRequest& request,
                                        const SharedPrefix& shared, uint32_t retain_tokens) {
  proto::OpenSequence open;
  open.set_sequence(sequence);
  ToProto(request, &open);
  open.set_prefix_of(shared.sequence);
  open.set_prefix_tokens(shared.tokens);
  open.set_retain_tokens(retain_tokens);
  return open;
}

TokenEvent TokenEventOf(const proto::TokenEvent& m) {
  return {.generation = m.generation(),
          .position = m.position(),
          .token = m.token(),
          .exit_layer = m.exit_layer(),
          .logprob = m.logprob(),
          .top = TopOf(m.top())};
}

PromptScore PromptScoreOf(const proto::PromptScore& m) {
  return {.position = m.position(), .token = m.token(), .logprob = m.logprob(), .top = TopOf(m.top())};
}

}  // namespace exeunt
