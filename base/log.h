// Logging goes to stderr through spdlog. One line is one event. A line has `key=value` pairs for what a
// machine should find. Thread-safe. Call InitLogging once, at the start of main.
#pragma once

#include <spdlog/spdlog.h>

#include <string>

namespace exeunt {

// `process` is part of every line, e.g. "coordinator" or "worker 0/2". EXEUNT_LOG overrides `level`
// (trace, debug, info, warn, error, off).
void InitLogging(const std::string& process, const std::string& level = "info");

}  // namespace exeunt
