// The coordinator's only adapter between plain messages and protobuf.
#pragma once

#include <optional>

#include "coordinator/core/worker_messages.h"

namespace exeunt::proto {
class ToCoordinator;
class ToWorker;
}  // namespace exeunt::proto

namespace exeunt::coordinator {

proto::ToWorker ToProto(const ToWorker& message);
// Returns nullopt for a message of the handshake, which only the transport uses.
std::optional<FromWorker> FromProto(const proto::ToCoordinator& message);

}  // namespace exeunt::coordinator
