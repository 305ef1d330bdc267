// What every DataChannel must do, as a program that each rank runs: the loopback ranks on threads, the MPI
// ranks as processes. Aborts (CHECK) where the channel breaks its contract; prints nothing where it keeps it.
#pragma once

#include <functional>

#include "transport/data_channel.h"

namespace exeunt::transport {

// `barrier` returns when every rank has called it; meanwhile it may drive the channel's Progress.
void RunChannelConformance(DataChannel* channel, int rank, int ranks, const std::function<void()>& barrier);

}  // namespace exeunt::transport
