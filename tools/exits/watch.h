// Computes what `exeunt watch` replays, the losses of a sweep's answers as the coordinator's audits would see
// them.
#pragma once

#include <vector>

#include "certify/certificate.h"
#include "tools/exits/sweep_file.h"

namespace exeunt::tools {

// Returns the certificate's loss of every answer under its setting against that of `off`. It is an error if
// the sweep has another model, other exits or longer answers, or lacks one of the two settings.
Result<std::vector<double>> WatchedLosses(const certify::Certificate& certificate, const SweepFile& sweep);

}  // namespace exeunt::tools
