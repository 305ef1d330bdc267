#include "coordinator/supervisor/mpirun_command.h"

#include <fmt/format.h>

#include "transport/listen_addresses.h"

namespace exeunt::coordinator {

std::vector<std::string> MpirunCommand(const MpirunOptions& options, uint32_t pipeline, uint64_t epoch) {
  std::vector<std::string> args = {options.mpirun, "-n", std::to_string(options.stages)};
  const auto mca = [&args](const char* key, const char* value) {
    args.insert(args.end(), {"--mca", key, value});
  };
  // Stages have their own threads.
  args.insert(args.end(), {"--bind-to", "none"});
  // A waiting rank yields its core. On shared cores this reduces half a round trip from a millisecond to
  // microseconds.
  mca("mpi_yield_when_idle", "1");
  // A decode frame is sent at once, because a rendezvous only advances inside MPI calls.
  mca("btl_vader_eager_limit", "65536");
  mca("btl_vader_max_send_size", "65536");
  mca("btl_tcp_eager_limit", "262144");
  mca("btl_tcp_max_send_size", "262144");
  // The loss of a machine's power is noticed in seconds, not in minutes.
  mca("oob_tcp_keepalive_time", "10");
  mca("oob_tcp_keepalive_intvl", "5");
  mca("oob_tcp_keepalive_probes", "3");
  if (options.as_root) args.emplace_back("--allow-run-as-root");
  if (options.hostfile.empty()) {
    args.emplace_back("--oversubscribe");  // one machine may hold more stages than it has cores
  } else {
    args.insert(args.end(), {"--hostfile", options.hostfile});
  }
  // The secret is passed by name, so that it is on no command line.
  args.insert(args.end(), {"-x", "EXEUNT_SECRET"});
  args.insert(args.end(), options.extra_args.begin(), options.extra_args.end());
  args.insert(args.end(),
              {options.worker_binary, "--coordinator",
               fmt::format("{}:{}", transport::BracketedHost(options.control_host), options.control_port),
               "--pipeline", std::to_string(pipeline), "--epoch", std::to_string(epoch)});
  return args;
}

}  // namespace exeunt::coordinator
