#include "transport/loopback_channel.h"

#include <gtest/gtest.h>

#include <barrier>
#include <thread>

#include "transport/testing/channel_conformance.h"

namespace exeunt::transport {
namespace {

TEST(LoopbackChannelTest, KeepsTheContractOfDataChannels) {
  for (int ranks : {1, 2, 3}) {
    LoopbackHub hub(ranks);
    std::barrier barrier(ranks);
    std::vector<std::thread> threads;
    for (int rank = 0; rank < ranks; ++rank) {
      threads.emplace_back([&, rank] {
        RunChannelConformance(hub.channel(rank), rank, ranks, [&] { barrier.arrive_and_wait(); });
      });
    }
    for (auto& thread : threads) thread.join();
  }
}

}  // namespace
}  // namespace exeunt::transport
