// exeunt-worker runs one rank of a pipeline. mpirun starts it for the coordinator's supervisor.
#include <CLI/CLI.hpp>
#include <cstdlib>

#include "base/log.h"
#include "transport/control_asio_client.h"
#include "transport/listen_addresses.h"
#include "transport/mpi/mpi_channel.h"
#include "transport/mpi/mpi_collective.h"
#include "worker/process/worker_process.h"

namespace exeunt::worker {
namespace {

int Main(int argc, char** argv) {
  transport::MpiSession mpi(&argc, &argv);
  CLI::App app("Exeunt worker: a stage of a pipeline. Started by exeunt-coordinator through mpirun.");
  std::string coordinator;
  uint32_t pipeline = 0;
  uint64_t epoch = 0;
  app.add_option("--coordinator", coordinator, "host:port of the coordinator's control socket")->required();
  app.add_option("--pipeline", pipeline, "replica number")->required();
  app.add_option("--epoch", epoch, "this job's number: a newer one replaces it")->required();
  CLI11_PARSE(app, argc, argv);
  InitLogging(fmt::format("worker {}.{}/{}", pipeline, mpi.rank(), mpi.ranks()));

  const size_t colon = coordinator.rfind(':');
  const unsigned long port =
      colon == std::string::npos ? 0 : std::strtoul(&coordinator[colon + 1], nullptr, 10);
  if (port == 0 || port > 65535) {
    spdlog::error("--coordinator {}: not host:port", coordinator);
    return 2;
  }
  const auto secret = transport::LoadControlSecret();
  if (!secret.has_value()) {
    spdlog::error("{}", secret.error().message);
    return 2;
  }
  WorkerProgress progress;
  transport::ControlClientOptions options;
  options.host = transport::WithoutBrackets(coordinator.substr(0, colon));
  options.port = static_cast<uint16_t>(port);
  options.id = {pipeline, epoch, static_cast<uint32_t>(mpi.rank())};
  options.ranks = static_cast<uint32_t>(mpi.ranks());
  options.secret = secret.value();
  options.progress = &progress.steps;
  options.busy = &progress.busy;
  auto control = transport::ConnectControl(options);
  if (!control.has_value()) {
    spdlog::error("control channel: {}", control.error().message);
    return 1;
  }
  const auto data = transport::MakeMpiChannel();
  const transport::MpiLocalRank local = transport::MpiLocal();
  WorkerProcess worker({mpi.rank(), mpi.ranks(), epoch, local.rank, local.ranks}, control->get(), data.get(),
                       &progress);
  const Status status = worker.Run();
  if (status.has_value()) return 0;
  spdlog::error("{}", status.error().message);
  control->reset();  // sends queued messages, above all the reason
  std::_Exit(1);     // without MPI_Finalize, so that mpirun ends the other ranks
}

}  // namespace
}  // namespace exeunt::worker

int main(int argc, char** argv) { return exeunt::worker::Main(argc, argv); }
