// Reads and writes a sweep's JSONL file. It has a header line and then a line for every answer. Pure, except
// for reading.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "request/exit_setting.h"

namespace exeunt::tools {

// Returns the name of a setting in the file and in certificates. It is "off", or the measure, the threshold
// and all values that are not defaults, such as "preview-0.9" or "softmax-0.8-from12-tau4-n256".
std::string SettingName(const ExitSetting& setting);

struct SweptAnswer {
  bool done = false;
  std::string text;
  std::map<int, int> exits;  // tokens by the layers they ran

  int tokens() const;
  int64_t layers() const;  // sum over the tokens
};

struct SweepLine {
  std::string setting;
  size_t prompt = 0;  // place in the prompts' file, from 0
  SweptAnswer answer;
};
std::string ToJson(const SweepLine& line);
Result<SweepLine> ParseSweepLine(const std::string& text);

// The file's first line. It has everything but the setting on which an answer depends.
struct SweepHeader {
  std::string model_hash;
  std::string exits_hash;  // "none" without a directory of exits
  std::string prompts_hash;
  int max_tokens = 0;
  std::string exit_layers;  // "8,12"
};
std::string ToJson(const SweepHeader& header);
Result<SweepHeader> ParseSweepHeader(const std::string& text);

struct SweepFile {
  SweepHeader header;
  std::vector<SweepLine> lines;
};
// A last line without an end was cut short when the process was killed, and is dropped. Errors name file and
// line.
Result<SweepFile> ReadSweepFile(const std::string& path);

}  // namespace exeunt::tools
