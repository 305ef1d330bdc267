// Value is the result of a Jinja expression. It has Python's types as far as chat templates use them. Values
// are immutable and shared, except namespaces, cyclers, joiners, loops and generators. Nesting is bounded
// when a container is made, so that walks may recurse. A container cannot hold anything that a template can
// change, except generators, whose items are fixed. Therefore there are no cycles.
#pragma once

#include <algorithm>
#include <boost/json/fwd.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace exeunt::text::jinja {

class Value;
struct Namespace;
struct LoopState;
struct MacroDefinition;
struct Frame;
struct Method;
struct Sequence;
struct Cycler;
struct Joiner;
struct Stmt;

// A name without a value. Most uses of it are errors that have the name. Jinja's sandbox gives one for a
// forbidden attribute. `forbidden` is then the type that has the attribute.
struct Undefined {
  std::string name;
  std::string forbidden = {};
};

// The template itself, which is the value of the name `self`. Its attributes are the blocks.
struct SelfReference {};

// A block that `self.NAME` names. The tree that holds it must outlive the rendering.
struct BlockReference {
  const Stmt* block = nullptr;
};

// A macro and the scope that its body sees. A macro cannot leave that scope, so that the pointer stays valid.
struct BoundMacro {
  const MacroDefinition* definition = nullptr;
  Frame* scope = nullptr;
  bool autoescape = false;  // whether text was escaped at its definition
};

enum class Function { kRaiseException, kStrftimeNow, kRange, kNamespace, kDict, kCycler, kJoiner, kLipsum };

struct ListData {
  std::vector<Value> items;
  int depth = 1;         // nesting
  bool hashable = true;  // whether it is hashable as a tuple: all items are hashable
  bool group = false;    // whether it is a tuple of groupby with the attributes `grouper` and `list`
};

struct DictData {
  std::vector<std::pair<Value, Value>> items;  // in order of insertion, with unique keys
  int depth = 1;
  // Returns nullptr if there is no such key.
  const Value* Find(std::string_view key) const;
};

// The steps that rendering may still take. Work on strings and lists costs steps by their size.
class Budget {
 public:
  explicit Budget(int64_t steps) : left_(steps) {}
  Status Spend(size_t steps);
  // For a search, which may compare the whole needle at every byte of the text.
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
  // Makes the value of an attribute of `type` that the sandbox forbids.
  static Value Forbidden(std::string name, std::string type) {
    return Value(Data(Undefined{std::move(name), std::move(type)}));
  }
  static Value None() { return Value(Data(std::monostate())); }
  static Value Bool(bool value) { return Value(Data(value)); }
  static Value Int(int64_t value) { return Value(Data(value)); }
  static Value Float(double value) { return Value(Data(value)); }
  static Value String(std::string value);
  // Makes a string that is HTML already, so that escaping does not change it.
  static Value Markup(std::string value);
  static Value Builtin(Function function) { return Value(Data(function)); }
  static Value Macro(BoundMacro macro) { return Value(Data(macro)); }
  static Value Loop(LoopState* loop) { return Value(Data(loop)); }
  static Value Self() { return Value(Data(SelfReference{})); }
  static Value Block(const Stmt* block) { return Value(Data(BlockReference{block})); }
  static Value OfCycler(std::shared_ptr<Cycler> cycler) { return Value(Data(std::move(cycler))); }
  static Value OfJoiner(std::shared_ptr<Joiner> joiner) { return Value(Data(std::move(joiner))); }
  static Value OfNamespace(std::shared_ptr<Namespace> space) { return Value(Data(std::move(space))); }
  static Value OfMethod(Value object, std::string name);
  // It is an error if nesting is too deep or a namespace, macro or loop is among the items.
  static Result<Value> List(std::vector<Value> items);
  static Result<Value> Tuple(std::vector<Value> items);
  static Result<Value> Group(Value grouper, Value list);
  static Result<Value> OfSequence(Sequence sequence);
  // `error` is the error of reading further than the items.
  static Result<Value> Generator(std::vector<Value> items, std::optional<Error> error = std::nullopt);
  // Of equal keys the last one counts, at the place of the first. Keys must be hashable.
  static Result<Value> Dict(std::vector<std::pair<Value, Value>> items, Budget* budget);
  static Result<Value> FromJson(const boost::json::value& json, Budget* budget);

  bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const { return std::holds_alternative<std::monostate>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_int() const { return std::holds_alternative<int64_t>(data_); }
  bool is_float() const { return std::holds_alternative<double>(data_); }
  bool is_number() const { return is_int() || is_float() || is_bool(); }
  bool is_string() const { return std::holds_alternative<StringRef>(data_) || is_markup(); }
  bool is_markup() const { return std::holds_alternative<MarkupRef>(data_); }
  bool is_tuple() const { return std::holds_alternative<TupleRef>(data_); }
  bool is_sequence() const { return list() != nullptr; }  // whether it is a list or tuple
  bool is_dict() const { return std::holds_alternative<DictRef>(data_); }
  bool is_callable() const;

  const std::string& name() const { return std::get<Undefined>(data_).name; }
  // Returns the error of most uses of an undefined value.
  Error UndefinedError() const;
  bool boolean() const { return std::get<bool>(data_); }
  int64_t integer() const;  // for int or bool
  double number() const;    // for any number
  const std::string& string() const;
  const ListData* list() const;  // data of a list or tuple, else nullptr
  const DictData* dict() const;  // nullptr if it is no dict
  Namespace* space() const;      // nullptr if it is no namespace
  Sequence* sequence() const;    // nullptr if it is no sequence
  Cycler* cycler() const;
  Joiner* joiner() const;
  LoopState* loop() const;
  bool is_self() const { return std::holds_alternative<SelfReference>(data_); }
  const BlockReference* block() const { return std::get_if<BlockReference>(&data_); }
  const BoundMacro* macro() const { return std::get_if<BoundMacro>(&data_); }  // nullptr if it is no macro
  const Method* method() const;
  const Function* builtin() const { return std::get_if<Function>(&data_); }

  int depth() const;
  bool Storable() const;                      // whether a container may hold it
  bool Hashable() const;                      // whether it may be a key
  bool SameObject(const Value& other) const;  // Python's `is`
  bool Truthy() const;
  const char* TypeName() const;  // name of Python's type

 private:
  struct TupleRef {
    std::shared_ptr<const ListData> data;
  };
  struct MarkupRef {
    std::shared_ptr<const std::string> data;
  };
  using StringRef = std::shared_ptr<const std::string>;
  using ListRef = std::shared_ptr<const ListData>;
  using DictRef = std::shared_ptr<const DictData>;
  using Data = std::variant<Undefined, std::monostate, bool, int64_t, double, StringRef, ListRef, TupleRef,
                            DictRef, std::shared_ptr<Namespace>, LoopState*, BoundMacro,
                            std::shared_ptr<const Method>, Function, MarkupRef, std::shared_ptr<Sequence>,
                            std::shared_ptr<Cycler>, std::shared_ptr<Joiner>, SelfReference, BlockReference>;
  explicit Value(Data data) : data_(std::move(data)) {}
  static Result<ListData> MakeList(std::vector<Value> items);
  // Returns the object of a shared pointer of this type, or nullptr for any other value.
  template <class Ref>
  typename Ref::element_type* Held() const;

  Data data_;
};

// The result of namespace(). It is the only thing that a template can change from inside a loop.
struct Namespace {
  std::vector<std::pair<std::string, Value>> attributes;
};

struct Method {
  Value object;
  std::string name;
};

// A value that can be iterated over and is no list, such as the result of the filter map, range(), or a view
// of a dict.
struct Sequence {
  enum class Kind { kGenerator, kRange, kKeys, kValues, kItems };
  Kind kind = Kind::kGenerator;
  std::vector<Value> items = {};
  std::string text = {};            // a range as Python prints it
  size_t taken = 0;                 // items of a generator that were read; each is given once
  std::optional<Error> error = {};  // error behind the items of a generator, for readers that get so far
  int depth = 1;
};

// cycler(...).
struct Cycler {
  std::vector<Value> items;
  size_t at = 0;
};

// joiner(...).
struct Joiner {
  std::string separator;
  bool used = false;
};

struct LoopState {
  const std::vector<Value>* items = nullptr;
  size_t index0 = 0;
  int depth0 = 0;
  const Stmt* recursive = nullptr;  // loop that loop(...) runs again; nullptr if it is not recursive
  Frame* scope = nullptr;           // scope around that loop
  std::vector<Value> changed = {};  // last arguments of loop.changed
  bool has_changed = false;
};

// Python's ==. Generators, functions and the like are equal if they are the same object.
Result<bool> Equal(const Value& a, const Value& b, Budget* budget);
// Python's <. It is an error if the types have no order.
Result<bool> Less(const Value& a, const Value& b, Budget* budget);
// str(value), as {{ value }} prints it.
Result<std::string> ToText(const Value& value, Budget* budget);
// repr(value).
Result<std::string> ToRepr(const Value& value, Budget* budget);
// ascii(value), which is repr with escapes for all characters but ASCII.
Result<std::string> ToAscii(const Value& value, Budget* budget);
// repr of a float.
std::string FloatText(double value);
// Returns what a loop over the value visits: items, keys or characters. An undefined value gives nothing. A
// generator is read to its end.
Result<std::vector<Value>> Iterate(const Value& value, Budget* budget);
// len(value).
Result<int64_t> Length(const Value& value, Budget* budget);
// Returns the text with HTML's special characters as entities.
std::string EscapeHtml(std::string_view text);

struct JsonOptions {
  std::optional<std::string> indent;  // nullopt for one line
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> item_separator;  // nullopt for Python's default
  std::string key_separator = ": ";
};
// json.dumps.
Result<std::string> ToJson(const Value& value, const JsonOptions& options, Budget* budget);

}  // namespace exeunt::text::jinja
