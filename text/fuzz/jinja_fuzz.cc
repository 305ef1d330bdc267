// Renders any text as a template with a conversation, in few steps so that one run is quick. A JSON object of
// further variables may follow a zero byte, as chat_template_kwargs gives them.
#include <algorithm>
#include <boost/json/parse.hpp>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"

namespace {

using exeunt::text::jinja::Interpreter;
using exeunt::text::jinja::Value;
using Names = std::vector<std::pair<std::string, Value>>;

// Returns false if a variable is refused.
bool Add(const boost::json::object& variables, Interpreter* interpreter, Names* names) {
  for (const auto& variable : variables) {
    auto value = Value::FromJson(variable.value(), interpreter->budget());
    if (!value) return false;
    names->emplace_back(variable.key(), std::move(*value));
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const boost::json::value kVariables = boost::json::parse(
      R"({"messages":[{"role":"user","content":"Hi é"},{"role":"assistant","content":null,)"
      R"("tool_calls":[{"x":1.5}]}],"tools":[{"name":"f","list":[1,2,3],"flag":true}],)"
      R"("add_generation_prompt":true,"bos_token":"<s>","documents":null,"n":7,"s":"Hello World",)"
      R"("l":[3,1,2],"d":{"b":1,"a":2},"tree":[{"n":"1","c":[{"n":"2","c":[]}]}]})");
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t zero = std::min(text.find('\0'), text.size());
  const auto block = exeunt::text::jinja::Parse(text.substr(0, zero));
  if (!block) return 0;
  Interpreter interpreter(50'000, size_t{1} << 20);
  Names names;
  Add(kVariables.get_object(), &interpreter, &names);
  if (zero < text.size()) {
    boost::system::error_code error;
    const boost::json::value variables = boost::json::parse(text.substr(zero + 1), error);
    if (error || !variables.is_object() || !Add(variables.get_object(), &interpreter, &names)) return 0;
    std::ranges::reverse(names);  // the first variable of a name counts
  }
  (void)interpreter.Render(*block, std::move(names));
  return 0;
}
