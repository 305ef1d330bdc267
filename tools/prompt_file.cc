#include "tools/prompt_file.h"

#include <boost/json.hpp>
#include <sstream>

#include "base/error.h"
#include "base/json.h"
#include "base/mmap.h"

namespace exeunt::tools {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 30;

Result<std::string> StringOf(const boost::json::object& object, const char* key, bool required) {
  const auto* value = object.if_contains(key);
  if (value == nullptr && !required) return std::string();
  if (value == nullptr || !value->is_string() || (required && value->get_string().empty())) {
    return InvalidArgument("key '{}' is not a string with something in it", key);
  }
  return std::string(value->get_string());
}

Result<PromptLine> ParseLine(const std::string& text) {
  ASSIGN_OR_RETURN(const auto object, ParseJsonObject(text));
  PromptLine line;
  ASSIGN_OR_RETURN(line.prompt, StringOf(object, "prompt", true));
  ASSIGN_OR_RETURN(line.reference, StringOf(object, "reference", false));
  return line;
}

}  // namespace

Result<std::vector<PromptLine>> ReadPromptFile(const std::string& path, size_t limit) {
  ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, kMaxFileBytes));
  std::vector<PromptLine> lines;
  std::istringstream in(text);
  size_t number = 0;
  for (std::string line; (limit == 0 || lines.size() < limit) && std::getline(in, line);) {
    ++number;
    auto parsed = ParseLine(line);
    if (!parsed.has_value()) return Annotate(parsed.error(), fmt::format("{}:{}", path, number));
    lines.push_back(std::move(parsed).value());
  }
  if (lines.empty()) return InvalidArgument("{}: no lines", path);
  return lines;
}

}  // namespace exeunt::tools
