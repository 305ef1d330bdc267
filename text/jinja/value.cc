#include "text/jinja/value.h"

#include <algorithm>
#include <boost/json/value.hpp>
#include <cmath>

#include "base/error.h"
#include "text/utf8.h"

namespace exeunt::text::jinja {
namespace {

constexpr int kMaxDepth = 48;

Result<int> DepthOf(const Value& value) {
  if (!value.Storable()) return Unimplemented("a {} inside a container", value.TypeName());
  if (value.depth() >= kMaxDepth) return ResourceExhausted("values nested more than {} deep", kMaxDepth);
  return value.depth();
}

}  // namespace

Status Budget::Spend(size_t steps) {
  left_ -= static_cast<int64_t>(std::min<size_t>(steps, size_t{1} << 40));
  if (left_ < 0) return ResourceExhausted("rendering takes too many steps");
  return OkStatus();
}

const Value* DictData::Find(std::string_view key) const {
  for (const auto& [k, v] : items) {
    if (k.is_string() && k.string() == key) return &v;
  }
  return nullptr;
}

Value Value::String(std::string value) {
  return Value(Data(std::make_shared<const std::string>(std::move(value))));
}

Value Value::Markup(std::string value) {
  return Value(Data(MarkupRef{std::make_shared<const std::string>(std::move(value))}));
}

Value Value::OfMethod(Value object, std::string name) {
  return Value(Data(std::make_shared<const Method>(Method{std::move(object), std::move(name)})));
}

Result<ListData> Value::MakeList(std::vector<Value> items) {
  ListData list;
  for (const Value& item : items) {
    ASSIGN_OR_RETURN(const int depth, DepthOf(item));
    list.depth = std::max(list.depth, depth + 1);
    list.hashable = list.hashable && item.Hashable();
  }
  list.items = std::move(items);
  return list;
}

Result<Value> Value::List(std::vector<Value> items) {
  ASSIGN_OR_RETURN(ListData list, MakeList(std::move(items)));
  return Value(Data(std::make_shared<const ListData>(std::move(list))));
}

Result<Value> Value::Tuple(std::vector<Value> items) {
  ASSIGN_OR_RETURN(ListData list, MakeList(std::move(items)));
  return Value(Data(TupleRef{std::make_shared<const ListData>(std::move(list))}));
}

Result<Value> Value::Group(Value grouper, Value list) {
  ASSIGN_OR_RETURN(ListData data, MakeList({std::move(grouper), std::move(list)}));
  data.group = true;
  return Value(Data(TupleRef{std::make_shared<const ListData>(std::move(data))}));
}

Result<Value> Value::OfSequence(Sequence sequence) {
  for (const Value& item : sequence.items) {
    ASSIGN_OR_RETURN(const int depth, DepthOf(item));
    sequence.depth = std::max(sequence.depth, depth + 1);
  }
  return Value(Data(std::make_shared<Sequence>(std::move(sequence))));
}

Result<Value> Value::Generator(std::vector<Value> items, std::optional<Error> error) {
  return OfSequence(
      {.kind = Sequence::Kind::kGenerator, .items = std::move(items), .error = std::move(error)});
}

Result<Value> Value::Dict(std::vector<std::pair<Value, Value>> items, Budget* budget) {
  DictData dict;
  for (auto& [key, value] : items) {
    if (!key.Hashable()) return InvalidArgument("a {} as a key of a dict", key.TypeName());
    ASSIGN_OR_RETURN(const int key_depth, DepthOf(key));
    ASSIGN_OR_RETURN(const int depth, DepthOf(value));
    dict.depth = std::max({dict.depth, depth + 1, key_depth + 1});
    auto at = dict.items.begin();
    for (; at != dict.items.end(); ++at) {
      ASSIGN_OR_RETURN(const bool equal, Equal(at->first, key, budget));
      if (equal) break;
    }
    if (at != dict.items.end()) {
      at->second = std::move(value);
    } else {
      dict.items.emplace_back(std::move(key), std::move(value));
    }
  }
  return Value(Data(std::make_shared<const DictData>(std::move(dict))));
}

Result<Value> Value::FromJson(const boost::json::value& json, Budget* budget) {
  RETURN_IF_ERROR(budget->Spend(1));
  switch (json.kind()) {
    case boost::json::kind::null:
      return None();
    case boost::json::kind::bool_:
      return Bool(json.get_bool());
    case boost::json::kind::int64:
      return Int(json.get_int64());
    case boost::json::kind::uint64:
      return Float(static_cast<double>(json.get_uint64()));
    case boost::json::kind::double_:
      return Float(json.get_double());
    case boost::json::kind::string: {
      const std::string_view text(json.get_string().data(), json.get_string().size());
      RETURN_IF_ERROR(budget->Spend(text.size() / 16));
      return String(ReplaceIllFormed(text));
    }
    case boost::json::kind::array: {
      std::vector<Value> items;
      for (const auto& item : json.get_array()) {
        ASSIGN_OR_RETURN(Value value, FromJson(item, budget));
        items.push_back(std::move(value));
      }
      return List(std::move(items));
    }
    case boost::json::kind::object: {
      DictData dict;  // the keys are unique already
      for (const auto& item : json.get_object()) {
        ASSIGN_OR_RETURN(Value value, FromJson(item.value(), budget));
        ASSIGN_OR_RETURN(const int depth, DepthOf(value));
        dict.depth = std::max(dict.depth, depth + 1);
        const std::string_view key(item.key().data(), item.key().size());
        dict.items.emplace_back(String(ReplaceIllFormed(key)), std::move(value));
      }
      return Value(Data(std::make_shared<const DictData>(std::move(dict))));
    }
  }
  return None();
}

Error Value::UndefinedError() const {
  const auto& undefined = std::get<Undefined>(data_);
  if (undefined.forbidden.empty()) return InvalidArgument("'{}' is undefined", undefined.name);
  return InvalidArgument("access to attribute '{}' of '{}' object is unsafe", undefined.name,
                         undefined.forbidden);
}

bool Value::is_callable() const {
  const bool calls = macro() != nullptr || method() != nullptr || builtin() != nullptr || block() != nullptr;
  return calls || joiner() != nullptr || loop() != nullptr || is_undefined();
}

int64_t Value::integer() const { return is_bool() ? (boolean() ? 1 : 0) : std::get<int64_t>(data_); }

double Value::number() const { return is_float() ? std::get<double>(data_) : static_cast<double>(integer()); }

const std::string& Value::string() const {
  return is_markup() ? *std::get<MarkupRef>(data_).data : *std::get<StringRef>(data_);
}

const ListData* Value::list() const {
  if (const auto* list = std::get_if<ListRef>(&data_)) return list->get();
  const auto* tuple = std::get_if<TupleRef>(&data_);
  return tuple == nullptr ? nullptr : tuple->data.get();
}

template <class Ref>
typename Ref::element_type* Value::Held() const {
  const auto* ref = std::get_if<Ref>(&data_);
  return ref == nullptr ? nullptr : ref->get();
}

const DictData* Value::dict() const { return Held<DictRef>(); }

Namespace* Value::space() const { return Held<std::shared_ptr<Namespace>>(); }

Sequence* Value::sequence() const { return Held<std::shared_ptr<Sequence>>(); }

Cycler* Value::cycler() const { return Held<std::shared_ptr<Cycler>>(); }

Joiner* Value::joiner() const { return Held<std::shared_ptr<Joiner>>(); }

const Method* Value::method() const { return Held<std::shared_ptr<const Method>>(); }

LoopState* Value::loop() const {
  const auto* loop = std::get_if<LoopState*>(&data_);
  return loop == nullptr ? nullptr : *loop;
}

int Value::depth() const {
  if (list() != nullptr) return list()->depth;
  if (dict() != nullptr) return dict()->depth;
  return sequence() != nullptr ? sequence()->depth : 0;
}

bool Value::Storable() const {
  const bool refers = space() != nullptr || cycler() != nullptr || is_self();
  return is_undefined() || !(refers || is_callable());
}

bool Value::Hashable() const {
  if (is_tuple()) return list()->hashable;
  const bool view = sequence() != nullptr &&
                    (sequence()->kind == Sequence::Kind::kKeys || sequence()->kind == Sequence::Kind::kItems);
  return list() == nullptr && dict() == nullptr && !view;
}

bool Value::SameObject(const Value& other) const {
  if (data_.index() != other.data_.index()) return false;
  if (is_undefined() || is_none()) return is_none();
  if (is_bool()) return boolean() == other.boolean();
  if (is_int()) return integer() == other.integer();
  if (is_float()) return number() == other.number();
  if (is_string()) return string() == other.string();
  if (macro() != nullptr) return macro()->definition == other.macro()->definition;
  if (builtin() != nullptr) return *builtin() == *other.builtin();
  return list() == other.list() && dict() == other.dict() && space() == other.space() &&
         sequence() == other.sequence() && cycler() == other.cycler() && joiner() == other.joiner() &&
         loop() == other.loop() && method() == other.method();
}

bool Value::Truthy() const {
  if (is_undefined() || is_none()) return false;
  if (is_float()) return number() != 0.0;
  if (is_number()) return integer() != 0;
  if (is_string()) return !string().empty();
  if (list() != nullptr) return !list()->items.empty();
  if (dict() != nullptr) return !dict()->items.empty();
  if (sequence() != nullptr)
    return sequence()->kind == Sequence::Kind::kGenerator || !sequence()->items.empty();
  return true;
}

const char* Value::TypeName() const {
  static constexpr const char* kNames[] = {"undefined", "none",   "bool",   "int",      "float",
                                           "str",       "list",   "tuple",  "dict",     "namespace",
                                           "loop",      "macro",  "method", "function", "Markup",
                                           "generator", "cycler", "joiner", "template", "block"};
  static constexpr const char* kSequences[] = {"generator", "range", "dict_keys", "dict_values",
                                               "dict_items"};
  if (sequence() != nullptr) return kSequences[static_cast<size_t>(sequence()->kind)];
  return kNames[data_.index()];
}

Result<std::vector<Value>> Iterate(const Value& value, Budget* budget) {
  std::vector<Value> items;
  if (value.is_undefined()) return items;
  if (value.list() != nullptr) {
    items = value.list()->items;
  } else if (value.dict() != nullptr) {
    for (const auto& [key, unused] : value.dict()->items) items.push_back(key);
  } else if (Sequence* sequence = value.sequence()) {
    items.assign(sequence->items.begin() + static_cast<int64_t>(sequence->taken), sequence->items.end());
    if (sequence->kind == Sequence::Kind::kGenerator) sequence->taken = sequence->items.size();
    if (sequence->error) return *sequence->error;
  } else if (value.is_string()) {
    const std::string& text = value.string();
    RETURN_IF_ERROR(budget->Spend(text.size()));
    for (size_t at = 0; at < text.size();) {
      const size_t size = DecodeUtf8(std::string_view(text).substr(at)).size;
      items.push_back(Value::String(text.substr(at, size)));
      at += size;
    }
  } else {
    return InvalidArgument("'{}' cannot be iterated over", value.TypeName());
  }
  RETURN_IF_ERROR(budget->Spend(items.size()));
  return items;
}

Result<int64_t> Length(const Value& value, Budget* budget) {
  if (value.is_undefined()) return 0;
  if (value.is_string()) {
    RETURN_IF_ERROR(budget->Spend(value.string().size() / 16));
    return static_cast<int64_t>(CountCharacters(value.string()));
  }
  if (value.list() != nullptr) return static_cast<int64_t>(value.list()->items.size());
  if (value.dict() != nullptr) return static_cast<int64_t>(value.dict()->items.size());
  if (value.loop() != nullptr) return static_cast<int64_t>(value.loop()->items->size());
  const Sequence* sequence = value.sequence();
  if (sequence != nullptr && sequence->kind != Sequence::Kind::kGenerator)
    return static_cast<int64_t>(sequence->items.size());
  return InvalidArgument("a {} has no length", value.TypeName());
}

}  // namespace exeunt::text::jinja
