#include "model/hf_keys.h"

#include <boost/json/value.hpp>
#include <cmath>
#include <limits>

#include "base/json.h"

namespace exeunt {

namespace json = boost::json;

const json::value* HfKeys::Find(std::string_view key) const {
  const json::value* const value = object_.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool HfKeys::IsNull(std::string_view key) const {
  const json::value* const value = object_.if_contains(key);
  return value != nullptr && value->is_null();
}

Result<std::optional<int>> HfKeys::Int(std::string_view key) const {
  const json::value* const value = Find(key);
  if (value == nullptr) return std::optional<int>();
  constexpr double kMost = std::numeric_limits<int>::max();
  const double number = value->is_double()  ? value->get_double()  // 4096.0 is a whole number, too
                        : value->is_int64() ? static_cast<double>(value->get_int64())
                                            : -1.0;
  if (!(number >= 0 && number <= kMost && number == std::floor(number))) {
    return Wrong(key, *value, fmt::format("a whole number from 0 to {}", kMost));
  }
  return std::optional(static_cast<int>(number));
}

Result<int> HfKeys::RequiredInt(std::string_view key) const {
  ASSIGN_OR_RETURN(const std::optional<int> value, Int(key));
  if (!value) return DataLoss("key '{}' is missing", key);
  return *value;
}

Result<std::optional<double>> HfKeys::Number(std::string_view key) const {
  const json::value* const value = Find(key);
  if (value == nullptr) return std::optional<double>();
  const double number = value->is_double()  ? value->get_double()
                        : value->is_int64() ? static_cast<double>(value->get_int64())
                                            : HUGE_VAL;
  if (!(std::abs(number) <= static_cast<double>(std::numeric_limits<float>::max()))) {
    return Wrong(key, *value, "a finite number");
  }
  return std::optional(number);
}

Result<float> HfKeys::Float(std::string_view key, float fallback) const {
  ASSIGN_OR_RETURN(const std::optional<double> number, Number(key));
  return number ? static_cast<float>(*number) : fallback;
}

Result<bool> HfKeys::Bool(std::string_view key, bool fallback) const {
  const json::value* const value = Find(key);
  if (value == nullptr) return fallback;
  if (!value->is_bool()) return Wrong(key, *value, "true or false");
  return value->get_bool();
}

Result<std::string> HfKeys::String(std::string_view key, std::string_view fallback) const {
  const json::value* const value = Find(key);
  if (value == nullptr) return std::string(fallback);
  if (!value->is_string()) return Wrong(key, *value, "a string");
  return std::string(value->get_string());
}

Result<const json::object*> HfKeys::Object(std::string_view key) const {
  const json::value* const value = Find(key);
  if (value == nullptr) return static_cast<const json::object*>(nullptr);
  if (!value->is_object()) return Wrong(key, *value, "an object");
  return &value->get_object();
}

Error HfKeys::Wrong(std::string_view key, const json::value& value, std::string_view expected) {
  return InvalidArgument("key '{}' is {}, expected {}", key, JsonText(value), expected);
}

}  // namespace exeunt
