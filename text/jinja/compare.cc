// Python's == and < of values.
#include <algorithm>

#include "base/error.h"
#include "text/jinja/value.h"

namespace exeunt::text::jinja {
namespace {

Result<bool> EqualItems(const std::vector<Value>& x, const std::vector<Value>& y, Budget* budget) {
  if (x.size() != y.size()) return false;
  for (size_t i = 0; i < x.size(); ++i) {
    ASSIGN_OR_RETURN(const bool equal, Equal(x[i], y[i], budget));
    if (!equal) return false;
  }
  return true;
}

Result<bool> EqualDicts(const DictData& a, const DictData& b, Budget* budget) {
  if (a.items.size() != b.items.size()) return false;
  for (const auto& [key, value] : a.items) {
    bool found = false;
    for (const auto& [other_key, other] : b.items) {
      ASSIGN_OR_RETURN(const bool same_key, Equal(key, other_key, budget));
      if (!same_key) continue;
      ASSIGN_OR_RETURN(found, Equal(value, other, budget));
      break;
    }
    if (!found) return false;
  }
  return true;
}

}  // namespace

Result<bool> Equal(const Value& a, const Value& b, Budget* budget) {
  RETURN_IF_ERROR(budget->Spend(1));
  if (a.is_int() && b.is_int()) return a.integer() == b.integer();
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.is_string() && b.is_string()) {
    RETURN_IF_ERROR(budget->Spend(std::min(a.string().size(), b.string().size()) / 64));
    return a.string() == b.string();
  }
  if (a.is_sequence() && b.is_sequence())
    return a.is_tuple() == b.is_tuple() ? EqualItems(a.list()->items, b.list()->items, budget) : false;
  if (a.is_dict() && b.is_dict()) return EqualDicts(*a.dict(), *b.dict(), budget);
  if (a.sequence() != nullptr && b.sequence() != nullptr) {
    const bool by_items = a.sequence()->kind == b.sequence()->kind &&
                          a.sequence()->kind != Sequence::Kind::kGenerator &&
                          a.sequence()->kind != Sequence::Kind::kValues;
    if (by_items) return EqualItems(a.sequence()->items, b.sequence()->items, budget);
  }
  return a.SameObject(b) || (a.is_undefined() && b.is_undefined());
}

Result<bool> Less(const Value& a, const Value& b, Budget* budget) {
  RETURN_IF_ERROR(budget->Spend(1));
  if (a.is_int() && b.is_int()) return a.integer() < b.integer();
  if (a.is_number() && b.is_number()) return a.number() < b.number();
  if (a.is_string() && b.is_string()) {
    RETURN_IF_ERROR(budget->Spend(std::min(a.string().size(), b.string().size()) / 64));
    return a.string() < b.string();  // UTF-8 has the order of code points
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
    if (value->is_undefined()) return value->UndefinedError();
  }
  return InvalidArgument("{} and {} have no order", a.TypeName(), b.TypeName());
}

}  // namespace exeunt::text::jinja
