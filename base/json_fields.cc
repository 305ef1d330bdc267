#include "base/json_fields.h"

#include "base/error.h"
#include "base/json.h"

namespace exeunt {
namespace {

Error Wrong(const std::string& path, const boost::json::value& value, std::string_view wanted) {
  return DataLoss("{} is {}: {} is needed", path.empty() ? "the file" : path, JsonText(value), wanted);
}

}  // namespace

std::string TextOf(const boost::json::string& string) { return {string.data(), string.size()}; }

Result<JsonFields> JsonFields::Of(const boost::json::value& value, std::string path) {
  if (!value.is_object()) return Wrong(path, value, "an object");
  return JsonFields(value.get_object(), std::move(path));
}

const boost::json::value* JsonFields::Find(std::string_view name) const {
  const boost::json::value* value = object_->if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::string JsonFields::PathOf(std::string_view name) const {
  return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

Result<std::string> JsonFields::String(std::string_view name) const {
  const boost::json::value* value = Find(name);
  if (value == nullptr) return DataLoss("{} is missing", PathOf(name));
  if (!value->is_string()) return Wrong(PathOf(name), *value, "a string");
  return TextOf(value->get_string());
}

Result<std::string> JsonFields::StringOr(std::string_view name, std::string_view otherwise) const {
  if (Find(name) == nullptr) return std::string(otherwise);
  return String(name);
}

Result<bool> JsonFields::BoolOr(std::string_view name, bool otherwise) const {
  const boost::json::value* value = Find(name);
  if (value == nullptr) return otherwise;
  if (!value->is_bool()) return Wrong(PathOf(name), *value, "true or false");
  return value->get_bool();
}

Result<int64_t> JsonFields::IndexOr(std::string_view name, int64_t otherwise, int64_t limit) const {
  const boost::json::value* value = Find(name);
  if (value == nullptr) return otherwise;
  if (!value->is_int64() || value->get_int64() < 0 || value->get_int64() >= limit) {
    return Wrong(PathOf(name), *value, fmt::format("an integer from 0 to {}", limit - 1));
  }
  return value->get_int64();
}

Result<const boost::json::array*> JsonFields::Array(std::string_view name) const {
  const boost::json::value* value = Find(name);
  if (value == nullptr) return DataLoss("{} is missing", PathOf(name));
  if (!value->is_array()) return Wrong(PathOf(name), *value, "an array");
  return &value->get_array();
}

Result<JsonFields> JsonFields::Object(std::string_view name) const {
  const boost::json::value* value = Find(name);
  if (value == nullptr) return DataLoss("{} is missing", PathOf(name));
  return Of(*value, PathOf(name));
}

}  // namespace exeunt
