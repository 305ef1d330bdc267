// A request record as the message that opens its sequence in a pipeline. `shared`: what its prompt shares;
// `retain_tokens`: of the prompt, that stay behind.
#pragma once

#include "coordinator/core/types.h"

namespace exeunt {

proto::OpenSequence OpenSequenceMessage(uint64_t sequence, const RequestRecord& record,
                                        const SharedPrefix& shared, uint32_t retain_tokens);

}  // namespace exeunt
