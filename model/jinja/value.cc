#include "model/jinja/value.h"

#include <algorithm>
#include <boost/json/value.hpp>
#include <cmath>

#include "base/error.h"
#include "model/utf8.h"

namespace exeunt::jinja {
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

Value Value::OfMethod(Value object, std::string name) {
  return Value(Data(std::make_shared<const Method>(Method{std::move(object), std::move(name)})));
}

Result<ListData> Value::MakeList(std::vector<Value> items) {
  ListData list;
  for (const Value& item : items) {
    ASSIGN_OR_RETURN(const int depth, DepthOf(item));
    list.depth = std::max(list.depth, depth + 1);
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

Result<Value> Value::Dict(std::vector<std::pair<Value, Value>> items, Budget* budget) {
  DictData dict;
  for (auto& [key, value] : items) {
    if (!key.is_string() && !key.is_number() && !key.is_none()) {
      return InvalidArgument("a {} as a key of a dict", key.TypeName());
    }
    ASSIGN_OR_RETURN(const int depth, DepthOf(value));
    dict.depth = std::max(dict.depth, depth + 1);
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

bool Value::is_callable() const { return macro() != nullptr || method() != nullptr || builtin() != nullptr; }

int64_t Value::integer() const { return is_bool() ? (boolean() ? 1 : 0) : std::get<int64_t>(data_); }

double Value::number() const { return is_float() ? std::get<double>(data_) : static_cast<double>(integer()); }

const ListData* Value::list() const {
  if (const auto* list = std::get_if<ListRef>(&data_)) return list->get();
  const auto* tuple = std::get_if<TupleRef>(&data_);
  return tuple == nullptr ? nullptr : tuple->data.get();
}

const DictData* Value::dict() const {
  const auto* dict = std::get_if<DictRef>(&data_);
  return dict == nullptr ? nullptr : dict->get();
}

Namespace* Value::space() const {
  const auto* space = std::get_if<std::shared_ptr<Namespace>>(&data_);
  return space == nullptr ? nullptr : space->get();
}

const LoopState* Value::loop() const {
  const auto* loop = std::get_if<const LoopState*>(&data_);
  return loop == nullptr ? nullptr : *loop;
}

const Method* Value::method() const {
  const auto* method = std::get_if<std::shared_ptr<const Method>>(&data_);
  return method == nullptr ? nullptr : method->get();
}

int Value::depth() const { return list() != nullptr ? list()->depth : dict() != nullptr ? dict()->depth : 0; }

bool Value::Storable() const { return space() == nullptr && loop() == nullptr && !is_callable(); }

bool Value::Truthy() const {
  if (is_undefined() || is_none()) return false;
  if (is_float()) return number() != 0.0;
  if (is_number()) return integer() != 0;
  if (is_string()) return !string().empty();
  if (list() != nullptr) return !list()->items.empty();
  if (dict() != nullptr) return !dict()->items.empty();
  return true;
}

const char* Value::TypeName() const {
  static constexpr const char* kNames[] = {"undefined", "none",  "bool",   "int",     "float",
                                           "str",       "list",  "tuple",  "dict",    "namespace",
                                           "loop",      "macro", "method", "function"};
  return kNames[data_.index()];
}

Result<bool> Equal(const Value& a, const Value& b, Budget* budget) {
  RETURN_IF_ERROR(budget->Spend(1));
  if (a.is_int() && b.is_int()) return a.integer() == b.integer();
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.is_string() && b.is_string()) {
    RETURN_IF_ERROR(budget->Spend(std::min(a.string().size(), b.string().size()) / 64));
    return a.string() == b.string();
  }
  if (a.is_sequence() && b.is_sequence()) {
    const auto& x = a.list()->items;
    const auto& y = b.list()->items;
    if (a.is_tuple() != b.is_tuple() || x.size() != y.size()) return false;
    for (size_t i = 0; i < x.size(); ++i) {
      ASSIGN_OR_RETURN(const bool equal, Equal(x[i], y[i], budget));
      if (!equal) return false;
    }
    return true;
  }
  if (a.is_dict() && b.is_dict()) {
    if (a.dict()->items.size() != b.dict()->items.size()) return false;
    for (const auto& [key, value] : a.dict()->items) {
      bool found = false;
      for (const auto& [other_key, other] : b.dict()->items) {
        ASSIGN_OR_RETURN(const bool same_key, Equal(key, other_key, budget));
        if (!same_key) continue;
        ASSIGN_OR_RETURN(found, Equal(value, other, budget));
        break;
      }
      if (!found) return false;
    }
    return true;
  }
  if (a.space() != nullptr) return a.space() == b.space();
  return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined());
}

Result<bool> Less(const Value& a, const Value& b, Budget* budget) {
  RETURN_IF_ERROR(budget->Spend(1));
  if (a.is_int() && b.is_int()) return a.integer() < b.integer();
  if (a.is_number() && b.is_number()) return a.number() < b.number();
  if (a.is_string() && b.is_string()) {
    RETURN_IF_ERROR(budget->Spend(std::min(a.string().size(), b.string().size()) / 64));
    return a.string() < b.string();  // the order of UTF-8 is the order of code points
  }
  if (a.is_sequence() && b.is_sequence() && a.is_tuple() == b.is_tuple()) {
    const auto& x = a.list()->items;
    const auto& y = b.list()->items;
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      ASSIGN_OR_RETURN(const bool equal, Equal(x[i], y[i], budget));
      if (!equal) return Less(x[i], y[i], budget);
    }
    return x.size() < y.size();
  }
  for (const Value* value : {&a, &b}) {
    if (value->is_undefined()) return InvalidArgument("'{}' is undefined", value->name());
  }
  return InvalidArgument("{} and {} have no order", a.TypeName(), b.TypeName());
}

Result<std::vector<Value>> Iterate(const Value& value, Budget* budget) {
  std::vector<Value> items;
  if (value.is_undefined()) return items;
  if (value.list() != nullptr) {
    items = value.list()->items;
  } else if (value.dict() != nullptr) {
    for (const auto& [key, unused] : value.dict()->items) items.push_back(key);
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

}  // namespace exeunt::jinja
