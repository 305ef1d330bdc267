#include "tools/rank_verb.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "tools/verbs.h"

namespace exeunt::tools {

int RunOnRanks(const char* verb, const std::function<Status(const transport::MpiSession&)>& run) {
  transport::MpiSession mpi(nullptr, nullptr);
  const Status result = run(mpi);
  if (mpi.ranks() == 1) return Report(verb, result);
  const int status = Report(fmt::format("{}: rank {}", verb, mpi.rank()).c_str(), result);
  if (status == 0) return 0;
  std::fflush(nullptr);
  std::_Exit(status);
}

}  // namespace exeunt::tools
