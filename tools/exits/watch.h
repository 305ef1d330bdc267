// What `exeunt watch` replays: the losses of a sweep's answers, as the coordinator's audits would see them.
#pragma once

#include <vector>

#include "certify/certificate.h"
#include "tools/exits/sweep_file.h"

namespace exeunt::tools {

// The certificate's loss of every answer under its setting against that of `off`. Refuses a sweep of another
// model, other exits or longer answers, and one that does not have both.
Result<std::vector<double>> WatchedLosses(const certify::Certificate& certificate, const SweepFile& sweep);

}  // namespace exeunt::tools
