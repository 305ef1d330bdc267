// Value: what a Jinja expression yields; Python's types as far as chat templates use them. Values are
// immutable and shared, namespaces excepted. Nesting is bounded when a container is made, so that walks may
// recurse, and nothing that refers to the running template (namespace, macro, loop) can be put into a
// container, so that nothing cyclic exists.
#pragma once

#include <algorithm>
#include <boost/json/fwd.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace exeunt::jinja {

class Value;
struct Namespace;
struct LoopState;
struct MacroDefinition;
struct Frame;
struct Method;

// A name that has no value; most uses of it are errors that tell the name.
struct Undefined {
  std::string name;
};

// A macro and the scope that its body sees; a macro cannot leave that scope, so the pointer stays good.
struct BoundMacro {
  const MacroDefinition* definition = nullptr;
  Frame* scope = nullptr;
};

enum class Function { kRaiseException, kStrftimeNow, kRange, kNamespace, kDict };

struct ListData {
  std::vector<Value> items;
  int depth = 1;  // nesting
};

struct DictData {
  std::vector<std::pair<Value, Value>> items;  // in order of insertion; keys are unique
  int depth = 1;
  // nullptr: no such key.
  const Value* Find(std::string_view key) const;
};

// Steps that rendering may still take. Work on strings and lists is paid for by their size.
class Budget {
 public:
  explicit Budget(int64_t steps) : left_(steps) {}
  Status Spend(size_t steps);
  // For a search, which may compare all of the needle at every byte of the text.
  Status SpendSearch(size_t text_bytes, size_t needle_bytes) {
    return Spend(1 + text_bytes / 16 + text_bytes * std::min(text_bytes, needle_bytes) / 4096);
  }

 private:
  int64_t left_;
};

class Value {
 public:
  Value() : data_(Undefined{}) {}
  static Value Missing(std::string name) { return Value(Data(Undefined{std::move(name)})); }
  static Value None() { return Value(Data(std::monostate())); }
  static Value Bool(bool value) { return Value(Data(value)); }
  static Value Int(int64_t value) { return Value(Data(value)); }
  static Value Float(double value) { return Value(Data(value)); }
  static Value String(std::string value);
  static Value Builtin(Function function) { return Value(Data(function)); }
  static Value Macro(BoundMacro macro) { return Value(Data(macro)); }
  static Value Loop(const LoopState* loop) { return Value(Data(loop)); }
  static Value OfNamespace(std::shared_ptr<Namespace> space) { return Value(Data(std::move(space))); }
  static Value OfMethod(Value object, std::string name);
  // Errors: nested too deep, or a namespace, macro or loop among the items.
  static Result<Value> List(std::vector<Value> items);
  static Result<Value> Tuple(std::vector<Value> items);
  // Of equal keys the last one counts, at the first one's place. Keys must be strings, numbers, booleans or
  // none.
  static Result<Value> Dict(std::vector<std::pair<Value, Value>> items, Budget* budget);
  static Result<Value> FromJson(const boost::json::value& json, Budget* budget);

  bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const { return std::holds_alternative<std::monostate>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_int() const { return std::holds_alternative<int64_t>(data_); }
  bool is_float() const { return std::holds_alternative<double>(data_); }
  bool is_number() const { return is_int() || is_float() || is_bool(); }
  bool is_string() const { return std::holds_alternative<StringRef>(data_); }
  bool is_tuple() const { return std::holds_alternative<TupleRef>(data_); }
  bool is_sequence() const { return list() != nullptr; }  // list or tuple
  bool is_dict() const { return std::holds_alternative<DictRef>(data_); }
  bool is_callable() const;

  const std::string& name() const { return std::get<Undefined>(data_).name; }
  bool boolean() const { return std::get<bool>(data_); }
  int64_t integer() const;  // of int or bool
  double number() const;    // of any number
  const std::string& string() const { return *std::get<StringRef>(data_); }
  const ListData* list() const;  // of list or tuple; nullptr: neither
  const DictData* dict() const;  // nullptr: not a dict
  Namespace* space() const;      // nullptr: not a namespace
  const LoopState* loop() const;
  const BoundMacro* macro() const { return std::get_if<BoundMacro>(&data_); }  // nullptr: not a macro
  const Method* method() const;
  const Function* builtin() const { return std::get_if<Function>(&data_); }

  int depth() const;
  bool Storable() const;  // may stand in a container
  bool Truthy() const;
  const char* TypeName() const;  // Python's

 private:
  struct TupleRef {
    std::shared_ptr<const ListData> data;
  };
  using StringRef = std::shared_ptr<const std::string>;
  using ListRef = std::shared_ptr<const ListData>;
  using DictRef = std::shared_ptr<const DictData>;
  using Data = std::variant<Undefined, std::monostate, bool, int64_t, double, StringRef, ListRef, TupleRef,
                            DictRef, std::shared_ptr<Namespace>, const LoopState*, BoundMacro,
                            std::shared_ptr<const Method>, Function>;
  explicit Value(Data data) : data_(std::move(data)) {}
  static Result<ListData> MakeList(std::vector<Value> items);

  Data data_;
};

// What namespace() makes: the one thing that a template can change from inside a loop.
struct Namespace {
  std::vector<std::pair<std::string, Value>> attributes;
};

struct Method {
  Value object;
  std::string name;
};

struct LoopState {
  const std::vector<Value>* items = nullptr;
  size_t index0 = 0;
};

// Python's ==.
Result<bool> Equal(const Value& a, const Value& b, Budget* budget);
// Python's <; an error where the types have no order.
Result<bool> Less(const Value& a, const Value& b, Budget* budget);
// str(value), as {{ value }} prints it.
Result<std::string> ToText(const Value& value, Budget* budget);
// repr(value).
Result<std::string> ToRepr(const Value& value, Budget* budget);
// repr of a float.
std::string FloatText(double value);
// What a loop over the value visits: items, keys, characters; nothing for an undefined one.
Result<std::vector<Value>> Iterate(const Value& value, Budget* budget);

struct JsonOptions {
  int indent = -1;  // -1: one line
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::string item_separator;  // "": Python's default
  std::string key_separator;
};
// json.dumps.
Result<std::string> ToJson(const Value& value, const JsonOptions& options, Budget* budget);

}  // namespace exeunt::jinja
