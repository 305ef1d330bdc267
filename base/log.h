// Logging: spdlog on stderr, one line an event, `key=value` for what a machine should find.
// Thread-safe. Call InitLogging once, first thing in main.
#pragma once

#include <spdlog/spdlog.h>

#include <string>

namespace exeunt {

// `process` stands in every line, e.g. "coordinator" or "worker 0/2". EXEUNT_LOG overrides `level`
// (trace, debug, info, warn, error, off).
void InitLogging(const std::string& process, const std::string& level = "info");

}  // namespace exeunt
