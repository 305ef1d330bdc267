// Jinja's tests, which follow "is".
#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"

namespace exeunt::text::jinja {
namespace {

struct SimpleTest {
  std::string_view name;
  bool (*holds)(const Value&);
};

bool IsIterable(const Value& v) {
  return v.is_string() || v.is_sequence() || v.is_dict() || v.is_undefined() || v.sequence() != nullptr ||
         v.loop() != nullptr;
}
// Returns whether the value has a length and items by number or key.
bool IsSequence(const Value& v) {
  const bool range = v.sequence() != nullptr && v.sequence()->kind == Sequence::Kind::kRange;
  return v.is_string() || v.is_sequence() || v.is_dict() || v.is_undefined() || range;
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
    SimpleTest{"sequence", IsSequence},
    SimpleTest{"boolean", [](const Value& v) { return v.is_bool(); }},
    SimpleTest{"true", IsTrue},
    SimpleTest{"false", IsFalse},
    SimpleTest{"number", [](const Value& v) { return v.is_number(); }},
    SimpleTest{"integer", [](const Value& v) { return v.is_int(); }},
    SimpleTest{"float", [](const Value& v) { return v.is_float(); }},
    SimpleTest{"callable", [](const Value& v) { return v.is_callable(); }},
    SimpleTest{"escaped", [](const Value& v) { return v.is_markup(); }},
};

// Returns the comparison of a test, or "".
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

enum class Operands { kUnknown, kNone, kOne };

// Returns the number of arguments of a test that is not simple.
Operands OperandsOf(std::string_view name) {
  if (ComparisonOf(name) != "" || name == "sameas" || name == "divisibleby") return Operands::kOne;
  for (const std::string_view known : {"odd", "even", "lower", "upper", "filter", "test"}) {
    if (name == known) return Operands::kNone;
  }
  return Operands::kUnknown;
}

const SimpleTest* FindSimple(std::string_view name) {
  const auto test = std::ranges::find(kSimpleTests, name, &SimpleTest::name);
  return test == kSimpleTests.end() ? nullptr : &*test;
}

}  // namespace

bool IsTest(std::string_view name) {
  return FindSimple(name) != nullptr || OperandsOf(name) != Operands::kUnknown;
}

Result<bool> Interpreter::ApplyTest(std::string_view name, const Value& value, const Arguments& arguments) {
  RETURN_IF_ERROR(budget_.Spend(1));
  const SimpleTest* simple = FindSimple(name);
  const Operands operands = OperandsOf(name);
  if (simple == nullptr && operands == Operands::kUnknown)
    return Unimplemented("the test '{}' is not supported", name.substr(0, 100));
  const bool one = operands == Operands::kOne;
  if (arguments.positional.size() != (one ? 1 : 0) || !arguments.keyword.empty()) {
    return InvalidArgument("the test '{}' takes {} argument", name, one ? "one" : "no");
  }
  if (simple != nullptr) return simple->holds(value);
  const std::string_view comparison = ComparisonOf(name);
  if (comparison != "") return Compare(comparison, value, arguments.positional[0], &budget_);
  if (name == "sameas") {
    if (value.is_string()) RETURN_IF_ERROR(budget_.Spend(value.string().size() / 64));
    return value.SameObject(arguments.positional[0]);
  }
  if (name == "divisibleby") {
    ASSIGN_OR_RETURN(const Value rest, Arithmetic("%", value, arguments.positional[0], &budget_));
    return Equal(rest, Value::Int(0), &budget_);
  }
  if (name == "odd" || name == "even") {
    ASSIGN_OR_RETURN(const Value rest, Arithmetic("%", value, Value::Int(2), &budget_));
    return Equal(rest, Value::Int(name == "odd" ? 1 : 0), &budget_);
  }
  if (name == "filter" || name == "test") {
    if (!value.Hashable()) return InvalidArgument("a {} as a name", value.TypeName());
    return value.is_string() && (name == "filter" ? IsFilter(value.string()) : IsTest(value.string()));
  }
  ASSIGN_OR_RETURN(const std::string text, ToText(value, &budget_));
  return IsInCase(text, name == "upper");
}

}  // namespace exeunt::text::jinja
