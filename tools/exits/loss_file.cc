#include "tools/exits/loss_file.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <sstream>

#include "base/error.h"
#include "base/json.h"
#include "base/mmap.h"

namespace exeunt::tools {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 30;

struct LossLine {
  std::string setting;
  size_t prompt = 0;
  double loss = 0.0;
};

Result<LossLine> ParseLine(const std::string& text, size_t n_prompts) {
  ASSIGN_OR_RETURN(const auto object, ParseJsonObject(text));
  const auto* setting = object.if_contains("setting");
  const auto* prompt = object.if_contains("prompt");
  const auto* loss = object.if_contains("loss");
  if (setting == nullptr || !setting->is_string())
    return InvalidArgument("'setting' is missing or not a string");
  if (prompt == nullptr || !prompt->is_int64() || prompt->get_int64() < 0 ||
      prompt->get_int64() >= static_cast<int64_t>(n_prompts)) {
    return InvalidArgument("'prompt' is {}, it must be a whole number in [0, {})",
                           prompt == nullptr ? "missing" : JsonText(*prompt), n_prompts);
  }
  const double value = loss != nullptr && loss->is_number() ? loss->to_number<double>() : std::nan("");
  if (!(value >= 0.0 && value <= 1.0)) {
    return InvalidArgument("'loss' is {}, it must be a number in [0, 1]",
                           loss == nullptr ? "missing" : JsonText(*loss));
  }
  return LossLine{std::string(setting->get_string()), static_cast<size_t>(prompt->get_int64()), value};
}

}  // namespace

Result<std::vector<std::vector<double>>> ReadLossFile(const std::string& path,
                                                      const std::vector<std::string>& settings,
                                                      const std::vector<bool>& needed, size_t n_prompts) {
  ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, kMaxFileBytes));
  std::vector<std::vector<double>> losses(settings.size(), std::vector<double>(n_prompts, std::nan("")));
  size_t number = 0;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    const std::string at = fmt::format("{}:{}", path, ++number);
    const auto parsed = ParseLine(line, n_prompts);
    if (!parsed) return Annotate(parsed.error(), at);
    const auto setting = std::find(settings.begin(), settings.end(), parsed->setting);
    if (setting == settings.end())
      return InvalidArgument("{}: the sweep has no setting '{}'", at, parsed->setting);
    double& loss = losses[static_cast<size_t>(setting - settings.begin())][parsed->prompt];
    if (!std::isnan(loss)) {
      return InvalidArgument("{}: a second loss of setting {}, prompt {}", at, parsed->setting,
                             parsed->prompt);
    }
    loss = parsed->loss;
  }
  for (size_t s = 0; s < settings.size(); ++s) {
    for (size_t p = 0; p < n_prompts && needed[s]; ++p) {
      if (!std::isnan(losses[s][p])) continue;
      return InvalidArgument("{}: {} lines, and no loss of setting {}, prompt {}", path, number, settings[s],
                             p);
    }
  }
  return losses;
}

}  // namespace exeunt::tools
