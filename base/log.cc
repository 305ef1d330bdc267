#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>

#include <cstdlib>

namespace exeunt {

void InitLogging(const std::string& process, const std::string& level) {
  auto logger = spdlog::stderr_color_mt("exeunt " + process);
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ [%n] %v");
  const char* env = std::getenv("EXEUNT_LOG");
  logger->set_level(spdlog::level::from_str(env != nullptr ? env : level));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace exeunt
