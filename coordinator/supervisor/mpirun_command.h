// Makes the command line of a pipeline's job.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace exeunt::coordinator {

struct MpirunOptions {
  std::string mpirun = "mpirun";
  std::string worker_binary;
  std::string hostfile;                 // "": only this machine
  std::vector<std::string> extra_args;  // before the worker's binary, last so that they win
  bool as_root = false;
  std::string control_host;  // host where workers reach the coordinator
  uint16_t control_port = 0;
  uint32_t stages = 1;
};

std::vector<std::string> MpirunCommand(const MpirunOptions& options, uint32_t pipeline, uint64_t epoch);

}  // namespace exeunt::coordinator
