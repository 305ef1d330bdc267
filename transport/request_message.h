// A request as a protobuf message: the one adapter between request/ and transport/control.proto. It goes by
// the list in request/request_fields.h.
#pragma once

#include "request/end_reason.h"
#include "request/sequence_request.h"
#include "transport/control.pb.h"

namespace exeunt::transport {

// Sets the message's fields of the request, and no others.
void ToProto(const SequenceRequest& request, proto::OpenSequence* message);
// Nothing is checked: see Validate. A number that is too large for its field becomes the field's largest.
SequenceRequest RequestFromProto(const proto::OpenSequence& message);

proto::FinishReason ToProto(EndReason reason);
// A reason that is not known counts as cancelled.
EndReason FromProto(proto::FinishReason reason);

}  // namespace exeunt::transport
