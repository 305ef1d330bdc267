// A request record as the message that opens its sequence in a pipeline.
#pragma once

#include "coordinator/core/types.h"

namespace exeunt {

proto::OpenSequence OpenSequenceMessage(uint64_t sequence, const RequestRecord& record);

}  // namespace exeunt
