#include "tools/exits/sweep_file.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>
#include <fstream>

#include "base/error.h"
#include "base/json.h"

namespace exeunt::tools {
namespace {

namespace json = boost::json;

// Returns nullptr if the value is missing or has another kind.
const json::value* Find(const json::object& object, const char* key, json::kind kind) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->kind() == kind ? value : nullptr;
}

Result<std::map<int, int>> ParseExits(const json::object& object) {
  std::map<int, int> exits;
  for (const auto& [key, count] : object) {
    int layer = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), layer);
    const bool valid = error == std::errc() && end == key.data() + key.size() && layer >= 1 &&
                       count.is_int64() && count.get_int64() >= 0 && count.get_int64() < 1 << 24;
    if (!valid) return DataLoss("'exits' is not tokens by layer: {}", JsonText(object));
    exits[layer] = static_cast<int>(count.get_int64());
  }
  return exits;
}

}  // namespace

std::string SettingName(const ExitSetting& setting) {
  if (setting.mode == ExitMode::kOff) return "off";
  std::string name = fmt::format("{}-{}", ExitMeasureName(setting.measure), setting.threshold);
  if (setting.min_layer > 0) name += fmt::format("-from{}", setting.min_layer);
  if (setting.decay) name += fmt::format("-tau{}-n{}", setting.decay->tau, setting.decay->n);
  return name;
}

int SweptAnswer::tokens() const {
  int sum = 0;
  for (const auto& [unused, count] : exits) sum += count;
  return sum;
}

int64_t SweptAnswer::layers() const {
  int64_t sum = 0;
  for (const auto& [layer, count] : exits) sum += int64_t{layer} * count;
  return sum;
}

std::string ToJson(const SweepLine& line) {
  json::object exits;
  for (const auto& [layer, count] : line.answer.exits) exits[std::to_string(layer)] = count;
  return json::serialize(json::object{{"setting", line.setting},
                                      {"prompt", line.prompt},
                                      {"tokens", line.answer.tokens()},
                                      {"layers", line.answer.layers()},
                                      {"exits", std::move(exits)},
                                      {"text", line.answer.text}});
}

Result<SweepLine> ParseSweepLine(const std::string& text) {
  ASSIGN_OR_RETURN(const json::object object, ParseJsonObject(text));
  const json::value* setting = Find(object, "setting", json::kind::string);
  const json::value* prompt = Find(object, "prompt", json::kind::int64);
  const json::value* exits = Find(object, "exits", json::kind::object);
  const json::value* answer = Find(object, "text", json::kind::string);
  if (setting == nullptr || prompt == nullptr || prompt->get_int64() < 0 || exits == nullptr ||
      answer == nullptr) {
    return DataLoss("not a generation: {}", JsonText(object));
  }
  ASSIGN_OR_RETURN(auto by_layer, ParseExits(exits->get_object()));
  return SweepLine{std::string(setting->get_string()),
                   static_cast<size_t>(prompt->get_int64()),
                   {true, std::string(answer->get_string()), std::move(by_layer)}};
}

std::string ToJson(const SweepHeader& header) {
  return json::serialize(json::object{{"model", header.model_hash},
                                      {"exits", header.exits_hash},
                                      {"prompts", header.prompts_hash},
                                      {"max_tokens", header.max_tokens},
                                      {"exit_layers", header.exit_layers}});
}

Result<SweepHeader> ParseSweepHeader(const std::string& text) {
  ASSIGN_OR_RETURN(const json::object object, ParseJsonObject(text));
  SweepHeader header;
  for (const auto& [key, field] : {std::pair{"model", &header.model_hash},
                                   {"exits", &header.exits_hash},
                                   {"prompts", &header.prompts_hash},
                                   {"exit_layers", &header.exit_layers}}) {
    const json::value* value = Find(object, key, json::kind::string);
    if (value == nullptr) return DataLoss("not the first line of a sweep: no '{}'", key);
    *field = std::string(value->get_string());
  }
  const json::value* max_tokens = Find(object, "max_tokens", json::kind::int64);
  if (max_tokens == nullptr) return DataLoss("not the first line of a sweep: no 'max_tokens'");
  header.max_tokens = static_cast<int>(max_tokens->get_int64());
  return header;
}

Result<SweepFile> ReadSweepFile(const std::string& path) {
  std::ifstream in(path);
  std::string text;
  if (!in || !std::getline(in, text)) return NotFound("{}: cannot be read, or is empty", path);
  SweepFile file;
  auto header = ParseSweepHeader(text);
  if (!header) return Annotate(header.error(), path + ":1");
  file.header = std::move(*header);
  for (size_t number = 2; std::getline(in, text) && !in.eof(); ++number) {
    auto line = ParseSweepLine(text);
    if (!line) return Annotate(line.error(), fmt::format("{}:{}", path, number));
    file.lines.push_back(std::move(*line));
  }
  return file;
}

}  // namespace exeunt::tools
