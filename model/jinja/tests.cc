// Jinja's tests: what may stand after "is".
#include <array>
#include <cmath>
#include <string_view>

#include "base/error.h"
#include "model/jinja/interpreter.h"
#include "model/jinja/operators.h"
#include "model/jinja/python_text.h"

namespace exeunt::jinja {
namespace {

struct SimpleTest {
  std::string_view name;
  bool (*holds)(const Value&);
};

bool IsIterable(const Value& v) {
  return v.is_string() || v.is_sequence() || v.is_dict() || v.is_undefined();
}
bool IsTrue(const Value& v) { return v.is_bool() && v.boolean(); }
bool IsFalse(const Value& v) { return v.is_bool() && !v.boolean(); }

constexpr std::array kSimpleTests = {
    SimpleTest{"defined", [](const Value& v) { return !v.is_undefined(); }},
    SimpleTest{"undefined", [](const Value& v) { return v.is_undefined(); }},
    SimpleTest{"none", [](const Value& v) { return v.is_none(); }},
    SimpleTest{"string", [](const Value& v) { return v.is_string(); }},
    SimpleTest{"mapping", [](const Value& v) { return v.is_dict(); }},
    SimpleTest{"iterable", IsIterable},
    SimpleTest{"sequence", IsIterable},
    SimpleTest{"boolean", [](const Value& v) { return v.is_bool(); }},
    SimpleTest{"true", IsTrue},
    SimpleTest{"false", IsFalse},
    SimpleTest{"number", [](const Value& v) { return v.is_number(); }},
    SimpleTest{"integer", [](const Value& v) { return v.is_int(); }},
    SimpleTest{"float", [](const Value& v) { return v.is_float(); }},
    SimpleTest{"callable", [](const Value& v) { return v.is_callable(); }},
};

// The comparison that a test stands for, or "".
std::string_view ComparisonOf(std::string_view name) {
  if (name == "eq" || name == "equalto" || name == "==") return "==";
  if (name == "ne" || name == "!=") return "!=";
  if (name == "lt" || name == "lessthan" || name == "<") return "<";
  if (name == "gt" || name == "greaterthan" || name == ">") return ">";
  if (name == "le" || name == "<=") return "<=";
  if (name == "ge" || name == ">=") return ">=";
  if (name == "in") return "in";
  return "";
}

// Integers, and the remainder of one by `divisor`.
Result<bool> IsDivisible(const Value& value, int64_t divisor, int64_t rest, Budget* budget) {
  ASSIGN_OR_RETURN(const Value modulo, Arithmetic("%", value, Value::Int(divisor), budget));
  return Equal(modulo, Value::Int(rest), budget);
}

}  // namespace

Result<bool> Interpreter::ApplyTest(std::string_view name, const Value& value, const Arguments& arguments) {
  RETURN_IF_ERROR(budget_.Spend(1));
  for (const SimpleTest& test : kSimpleTests) {
    if (test.name == name) return test.holds(value);
  }
  const std::string_view comparison = ComparisonOf(name);
  const bool one = comparison != "" || name == "sameas" || name == "divisibleby";
  const bool none = name == "odd" || name == "even" || name == "lower" || name == "upper";
  if (!one && !none) return Unimplemented("the test '{}' is not supported", name.substr(0, 100));
  if (arguments.positional.size() != (one ? 1 : 0) || !arguments.keyword.empty()) {
    return InvalidArgument("the test '{}' takes {} argument", name, one ? "one" : "no");
  }
  if (comparison != "") return Compare(comparison, value, arguments.positional[0], &budget_);
  if (name == "sameas") {
    const Value& other = arguments.positional[0];
    if (value.is_none() || value.is_bool()) {
      if (std::string_view(value.TypeName()) != other.TypeName()) return false;
      return Equal(value, other, &budget_);
    }
    return Unimplemented("the test 'sameas' of a {}", value.TypeName());
  }
  if (name == "divisibleby") {
    const Value& divisor = arguments.positional[0];
    if (!divisor.is_int()) return InvalidArgument("divisibleby a {}", divisor.TypeName());
    return IsDivisible(value, divisor.integer(), 0, &budget_);
  }
  if (name == "odd" || name == "even") return IsDivisible(value, 2, name == "odd" ? 1 : 0, &budget_);
  ASSIGN_OR_RETURN(const std::string text, ToText(value, &budget_));
  const auto is_other_case = [](bool upper, const std::string& t) {
    return (upper ? Upper(t) : Lower(t)) == t;
  };
  const bool cased = Upper(text) != Lower(text);
  return cased && is_other_case(name == "upper", text);
}

}  // namespace exeunt::jinja
