// The one adapter of the coordinator between plain messages and protobuf.
#pragma once

#include <optional>

#include "coordinator/core/worker_messages.h"

namespace exeunt::proto {
class ToCoordinator;
class ToWorker;
}  // namespace exeunt::proto

namespace exeunt::coordinator {

proto::ToWorker ToProto(const ToWorker& message);
// nullopt: the message is one of the handshake's, which concerns the transport alone.
std::optional<FromWorker> FromProto(const proto::ToCoordinator& message);

}  // namespace exeunt::coordinator
