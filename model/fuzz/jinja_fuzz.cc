// Any text as a template, rendered with a conversation and few steps, so that one run is quick.
#include <boost/json/parse.hpp>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/jinja/interpreter.h"
#include "model/jinja/parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using exeunt::jinja::Value;
  static const boost::json::value kVariables = boost::json::parse(
      R"({"messages":[{"role":"user","content":"Hi é"},{"role":"assistant","content":null,)"
      R"("tool_calls":[{"x":1.5}]}],"tools":[{"name":"f","list":[1,2,3],"flag":true}],)"
      R"("add_generation_prompt":true,"bos_token":"<s>"})");
  const auto block = exeunt::jinja::Parse(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!block) return 0;
  exeunt::jinja::Interpreter interpreter(50'000, size_t{1} << 20);
  std::vector<std::pair<std::string, Value>> names;
  for (const auto& variable : kVariables.get_object()) {
    names.emplace_back(variable.key(), Value::FromJson(variable.value(), interpreter.budget()).value());
  }
  (void)interpreter.Render(*block, std::move(names));
  return 0;
}
