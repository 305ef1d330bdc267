// Checks the contract of every DataChannel. Each rank runs it: loopback ranks on threads, MPI ranks as
// processes. It aborts (CHECK) if the channel breaks its contract and prints nothing otherwise.
#pragma once

#include <functional>

#include "transport/data_channel.h"

namespace exeunt::transport {

// `barrier` returns when every rank has called it. Meanwhile it may drive the channel's Progress.
void RunChannelConformance(DataChannel* channel, int rank, int ranks, const std::function<void()>& barrier);

}  // namespace exeunt::transport
