// Between what the core keeps and the control messages of the workers.
#pragma once

#include "coordinator/core/token_event.h"
#include "coordinator/core/types.h"
#include "transport/control.pb.h"

namespace exeunt {

// The message that opens a request's sequence in a pipeline. `shared`: what its prompt shares;
// `retain_tokens`: of the prompt, that stay behind.
proto::OpenSequence OpenSequenceMessage(uint64_t sequence, const SequenceRequest& request,
                                        const SharedPrefix& shared, uint32_t retain_tokens);
TokenEvent TokenEventOf(const proto::TokenEvent& message);
PromptScore PromptScoreOf(const proto::PromptScore& message);

}  // namespace exeunt
