// JsonReader reads the keys of a file's JSON object and checks their types and ranges. It keeps the first
// failure, so that a parser reads all keys and checks once, with Done. A key that was not read is a failure,
// too.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "base/error.h"
#include "base/json.h"

namespace exeunt {

// The object must outlive the reader.
class JsonReader {
 public:
  explicit JsonReader(const boost::json::object& object) : object_(object) {}

  std::string String(const char* key) {
    const boost::json::value* v = Take(key);
    if (v == nullptr) return {};
    if (v->is_string()) return std::string(v->get_string());
    Fail(key, *v, "a string");
    return {};
  }
  double Number(const char* key, double low, double high) {
    const boost::json::value* v = Take(key);
    if (v == nullptr) return low;
    boost::system::error_code error;
    const double number = v->to_number<double>(error);
    if (!error && number >= low && number <= high) return number;
    Fail(key, *v, fmt::format("a number in [{}, {}]", low, high));
    return low;
  }
  int64_t Integer(const char* key, int64_t low, int64_t high) {
    const boost::json::value* v = Take(key);
    if (v == nullptr) return low;
    boost::system::error_code error;
    const auto number = v->to_number<int64_t>(error);
    if (!error && number >= low && number <= high) return number;
    Fail(key, *v, fmt::format("a whole number in [{}, {}]", low, high));
    return low;
  }
  std::string Hash(const char* key) {
    const std::string hash = String(key);
    const bool hex = std::all_of(hash.begin(), hash.end(),
                                 [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
    if (!error_ && (hash.size() != 64 || !hex)) Fail(key, boost::json::value(hash), "64 hexadecimal digits");
    return hash;
  }
  // Reads a name that `of` knows.
  template <typename T>
  T Named(const char* key, std::optional<T> (*of)(std::string_view)) {
    const std::string name = String(key);
    const std::optional<T> value = of(name);
    if (!error_ && !value) Fail(key, boost::json::value(name), "a known name");
    return value.value_or(T{});
  }
  const boost::json::value* Take(const char* key) {
    taken_.insert(key);
    const boost::json::value* v = object_.if_contains(key);
    if (v == nullptr && !error_) error_ = InvalidArgument("key '{}' is missing", key);
    return error_ ? nullptr : v;
  }
  void Fail(const char* key, const boost::json::value& value, const std::string& wanted) {
    if (!error_) error_ = InvalidArgument("key '{}': {} is not {}", key, JsonText(value), wanted);
  }
  Status Done() {
    for (const auto& [key, unused] : object_) {
      if (!error_ && !taken_.contains(key)) error_ = InvalidArgument("unknown key '{}'", std::string(key));
    }
    if (error_) return *error_;
    return OkStatus();
  }

 private:
  const boost::json::object& object_;
  std::set<std::string, std::less<>> taken_;
  std::optional<Error> error_;
};

}  // namespace exeunt
