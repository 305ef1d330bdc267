// "{}".format(value): https://docs.python.org/3/library/string.html#format-string-syntax
#include "base/error.h"
#include "text/jinja/methods.h"
#include "text/jinja/number_format.h"
#include "text/jinja/python_text.h"
#include "text/jinja/text_format.h"

namespace exeunt::text::jinja {
namespace {

class Formatter {
 public:
  Formatter(Interpreter* interpreter, const Arguments* arguments)
      : interpreter_(*interpreter), arguments_(*arguments) {}
  Result<std::string> Format(std::string_view format, int depth);

 private:
  // Formats the field that starts at `at`, after its '{'. Leaves `at` after its '}'.
  Result<std::string> Field(std::string_view format, size_t* at, int depth);
  // Finds the value of "0.name[key]".
  Result<Value> Find(std::string_view name);
  Result<Value> First(std::string_view name);

  Interpreter& interpreter_;
  const Arguments& arguments_;
  int64_t next_ = 0;  // -1 if fields have numbers
};

Result<Value> Formatter::First(std::string_view name) {
  if (name.empty() || IsAsciiNumber(name)) {
    if (name.empty() ? next_ < 0 : next_ > 0)
      return InvalidArgument("a format has fields with and without numbers");
    if (name.size() > 9) return InvalidArgument("a format has a field number of {} digits", name.size());
    const int64_t at = name.empty() ? next_++ : std::stoll(std::string(name));
    if (!name.empty()) next_ = -1;
    if (at < static_cast<int64_t>(arguments_.positional.size()))
      return arguments_.positional[static_cast<size_t>(at)];
    return InvalidArgument("a format has the field {}, and there are {} values", at,
                           arguments_.positional.size());
  }
  RETURN_IF_ERROR(interpreter_.budget()->Spend(arguments_.keyword.size()));
  for (const auto& [known, value] : arguments_.keyword) {
    if (known == name) return value;
  }
  return InvalidArgument("a format names '{}', which is not there", name.substr(0, 100));
}

Result<Value> Formatter::Find(std::string_view name) {
  const size_t end = std::min(name.find_first_of(".["), name.size());
  ASSIGN_OR_RETURN(Value value, First(name.substr(0, end)));
  std::string_view rest = name.substr(end);
  while (!rest.empty()) {
    if (rest[0] == '.') {
      const size_t size = std::min(rest.find_first_of(".[", 1), rest.size());
      if (size == 1) return InvalidArgument("a format has an empty attribute");
      ASSIGN_OR_RETURN(value, interpreter_.GetAttribute(value, std::string(rest.substr(1, size - 1))));
      rest.remove_prefix(size);
      continue;
    }
    const size_t close = rest.find(']');
    if (rest[0] != '[' || close == std::string_view::npos || close == 1)
      return InvalidArgument("a format has a wrong field '{}'", name.substr(0, 100));
    ASSIGN_OR_RETURN(value, interpreter_.GetItem(value, ItemKey(rest.substr(1, close - 1))));
    rest.remove_prefix(close + 1);
  }
  return value;
}

Result<std::string> Formatter::Field(std::string_view format, size_t* at, int depth) {
  const size_t begin = *at;
  int open = 1;
  size_t end = begin;
  bool in_brackets = false;
  for (; end < format.size() && open > 0; ++end) {
    const char c = format[end];
    if (c == '[') in_brackets = open == 1;
    if (c == ']') in_brackets = false;
    if (!in_brackets) open += c == '{' ? 1 : c == '}' ? -1 : 0;
  }
  if (open > 0) return InvalidArgument("a format has '{{' without '}}'");
  *at = end;
  const std::string_view field = format.substr(begin, end - 1 - begin);
  const size_t name_end = std::min(field.find_first_of("!:"), field.size());
  ASSIGN_OR_RETURN(Value value, Find(field.substr(0, name_end)));
  std::string_view rest = field.substr(name_end);
  Budget* budget = interpreter_.budget();
  if (rest.starts_with('!')) {
    const char how = rest.size() > 1 ? rest[1] : ' ';
    if (rest.size() > 2 && rest[2] != ':') return InvalidArgument("a format has no ':' after a conversion");
    if (how != 'r' && how != 's' && how != 'a')
      return InvalidArgument("a format has the conversion '{}'", how);
    ASSIGN_OR_RETURN(std::string text, how == 's'   ? ToText(value, budget)
                                       : how == 'r' ? ToRepr(value, budget)
                                                    : ToAscii(value, budget));
    value = Value::String(std::move(text));
    rest.remove_prefix(2);
  }
  if (rest.starts_with(':')) rest.remove_prefix(1);
  ASSIGN_OR_RETURN(const std::string spec, Format(rest, depth + 1));
  return FormatValue(value, spec, budget);
}

Result<std::string> Formatter::Format(std::string_view format, int depth) {
  if (depth > 2) return InvalidArgument("a format is nested too deep");
  std::string out;
  RETURN_IF_ERROR(interpreter_.budget()->Spend(1 + format.size() / 16));
  for (size_t at = 0; at < format.size();) {
    const char c = format[at++];
    if (c != '{' && c != '}') {
      out += c;
      continue;
    }
    if (at < format.size() && format[at] == c) {
      out += c;
      ++at;
      continue;
    }
    if (c == '}') return InvalidArgument("a format has '}}' without '{{'");
    ASSIGN_OR_RETURN(const std::string text, Field(format, &at, depth));
    RETURN_IF_ERROR(interpreter_.budget()->Spend(1 + text.size() / 16));
    out += text;
  }
  return out;
}

}  // namespace

Result<std::string> BraceFormat(Interpreter& interpreter, const std::string& format,
                                const Arguments& arguments) {
  return Formatter(&interpreter, &arguments).Format(format, 0);
}

}  // namespace exeunt::text::jinja
