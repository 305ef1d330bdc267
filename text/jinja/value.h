// Value: what a Jinja expression yields; Python's types as far as chat templates use them. Values are
// immutable and shared; namespaces, cyclers, joiners, loops and generators alone change. Nesting is bounded
// when a container is made, so that walks may recurse. Nothing that a template can change, generators
// excepted (whose items are fixed), can be put into a container, so that nothing cyclic exists.
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

// A name that has no value; most uses of it are errors that tell the name. Jinja's sandbox gives one for an
// attribute that it forbids; `forbidden` is then the type that has it.
struct Undefined {
  std::string name;
  std::string forbidden = {};
};

// The template itself, as the name `self` has it: its attributes are the blocks.
struct SelfReference {};

// A block that `self.NAME` names; the tree that holds it outlives the rendering.
struct BlockReference {
  const Stmt* block = nullptr;
};

// A macro and the scope that its body sees; a macro cannot leave that scope, so the pointer stays good.
struct BoundMacro {
  const MacroDefinition* definition = nullptr;
  Frame* scope = nullptr;
  bool autoescape = false;  // where it was defined, text was escaped
};

enum class Function { kRaiseException, kStrftimeNow, kRange, kNamespace, kDict, kCycler, kJoiner, kLipsum };

struct ListData {
  std::vector<Value> items;
  int depth = 1;         // nesting
  bool hashable = true;  // as a tuple: all items are
  bool group = false;    // a tuple of groupby, with the attributes `grouper` and `list`
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
  // An attribute of a `type` that the sandbox forbids.
  static Value Forbidden(std::string name, std::string type) {
    return Value(Data(Undefined{std::move(name), std::move(type)}));
  }
  static Value None() { return Value(Data(std::monostate())); }
  static Value Bool(bool value) { return Value(Data(value)); }
  static Value Int(int64_t value) { return Value(Data(value)); }
  static Value Float(double value) { return Value(Data(value)); }
  static Value String(std::string value);
  // A string that is HTML already: escaping leaves it as it is.
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
  // Errors: nested too deep, or a namespace, macro or loop among the items.
  static Result<Value> List(std::vector<Value> items);
  static Result<Value> Tuple(std::vector<Value> items);
  static Result<Value> Group(Value grouper, Value list);
  static Result<Value> OfSequence(Sequence sequence);
  // `error`: what reading further than the items gives.
  static Result<Value> Generator(std::vector<Value> items, std::optional<Error> error = std::nullopt);
  // Of equal keys the last one counts, at the first one's place. Keys must be hashable.
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
  bool is_sequence() const { return list() != nullptr; }  // list or tuple
  bool is_dict() const { return std::holds_alternative<DictRef>(data_); }
  bool is_callable() const;

  const std::string& name() const { return std::get<Undefined>(data_).name; }
  // The error that most uses of an undefined value are.
  Error UndefinedError() const;
  bool boolean() const { return std::get<bool>(data_); }
  int64_t integer() const;  // of int or bool
  double number() const;    // of any number
  const std::string& string() const;
  const ListData* list() const;  // of list or tuple; nullptr: neither
  const DictData* dict() const;  // nullptr: not a dict
  Namespace* space() const;      // nullptr: not a namespace
  Sequence* sequence() const;    // nullptr: none of its kinds
  Cycler* cycler() const;
  Joiner* joiner() const;
  LoopState* loop() const;
  bool is_self() const { return std::holds_alternative<SelfReference>(data_); }
  const BlockReference* block() const { return std::get_if<BlockReference>(&data_); }
  const BoundMacro* macro() const { return std::get_if<BoundMacro>(&data_); }  // nullptr: not a macro
  const Method* method() const;
  const Function* builtin() const { return std::get_if<Function>(&data_); }

  int depth() const;
  bool Storable() const;                      // may stand in a container
  bool Hashable() const;                      // may be a key
  bool SameObject(const Value& other) const;  // Python's `is`
  bool Truthy() const;
  const char* TypeName() const;  // Python's

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
  // What a shared pointer of this type points to; nullptr: it is another value.
  template <class Ref>
  typename Ref::element_type* Held() const;

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

// What can be iterated over and is no list: what a filter such as map yields, range(), the views of a dict.
struct Sequence {
  enum class Kind { kGenerator, kRange, kKeys, kValues, kItems };
  Kind kind = Kind::kGenerator;
  std::vector<Value> items = {};
  std::string text = {};            // of a range, as Python prints it
  size_t taken = 0;                 // items of a generator that were read: it yields each once
  std::optional<Error> error = {};  // what follows the items of a generator, for who reads so far
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
  const Stmt* recursive = nullptr;  // the loop that loop(...) runs again; nullptr: it is not recursive
  Frame* scope = nullptr;           // around that loop
  std::vector<Value> changed = {};  // what loop.changed saw last
  bool has_changed = false;
};

// Python's ==. Of generators, functions and the like: the same object.
Result<bool> Equal(const Value& a, const Value& b, Budget* budget);
// Python's <; an error where the types have no order.
Result<bool> Less(const Value& a, const Value& b, Budget* budget);
// str(value), as {{ value }} prints it.
Result<std::string> ToText(const Value& value, Budget* budget);
// repr(value).
Result<std::string> ToRepr(const Value& value, Budget* budget);
// ascii(value): repr with escapes for all but ASCII.
Result<std::string> ToAscii(const Value& value, Budget* budget);
// repr of a float.
std::string FloatText(double value);
// What a loop over the value visits: items, keys, characters; nothing for an undefined one. Reads a generator
// to its end.
Result<std::vector<Value>> Iterate(const Value& value, Budget* budget);
// len(value).
Result<int64_t> Length(const Value& value, Budget* budget);
// The text with HTML's special characters as entities.
std::string EscapeHtml(std::string_view text);

struct JsonOptions {
  std::optional<std::string> indent;  // nullopt: one line
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> item_separator;  // nullopt: Python's default
  std::string key_separator = ": ";
};
// json.dumps.
Result<std::string> ToJson(const Value& value, const JsonOptions& options, Budget* budget);

}  // namespace exeunt::text::jinja
