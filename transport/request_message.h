// Converts a request to a protobuf message and back. It is the only adapter between request/ and
// transport/control.proto. It uses the list in request/request_fields.h.
#pragma once

#include "request/end_reason.h"
#include "request/sequence_request.h"
#include "transport/control.pb.h"

namespace exeunt::transport {

// Sets the fields of the message that belong to the request, and no others.
void ToProto(const SequenceRequest& request, proto::OpenSequence* message);
// Converts without checks, which Validate does. A number that is too large for its field becomes the field's
// largest.
SequenceRequest RequestFromProto(const proto::OpenSequence& message);

proto::FinishReason ToProto(EndReason reason);
// An unknown reason counts as cancelled.
EndReason FromProto(proto::FinishReason reason);

}  // namespace exeunt::transport
