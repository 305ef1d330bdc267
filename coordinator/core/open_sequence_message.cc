#include "coordinator/core/open_sequence_message.h"

#include "transport/request_message.h"

namespace exeunt {
proto::OpenSequence OpenSequenceMessage(uint64_t sequence, const RequestRecord& record,
                                        const SharedPrefix& shared, uint32_t retain_tokens) {
  proto::OpenSequence open;
  open.set_sequence(sequence);
  open.mutable_prompt()->Add(record.prompt.begin(), record.prompt.end());
  open.set_max_tokens(record.max_tokens);
  *open.mutable_sampling() = ToProto(record.sampling);
  *open.mutable_exit() = ToProto(record.exit);
  open.mutable_end_tokens()->Add(record.end_tokens.begin(), record.end_tokens.end());
  open.set_prefix_of(shared.sequence);
  open.set_prefix_tokens(shared.tokens);
  open.set_retain_tokens(retain_tokens);
  open.set_score_from(record.score_from);
  return open;
}

}  // namespace exeunt
