// Typed access to the keys of a config.json or of an object in it. Errors name key, value and limit.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/result.h"

namespace exeunt {

// A view: the object must outlive it. The getters treat null as missing.
class HfKeys {
 public:
  explicit HfKeys(const boost::json::object& object) : object_(object) {}

  const boost::json::object& object() const { return object_; }
  // Returns nullptr if the key is missing or null.
  const boost::json::value* Find(std::string_view key) const;
  bool IsNull(std::string_view key) const;

  Result<std::optional<int>> Int(std::string_view key) const;
  Result<int> RequiredInt(std::string_view key) const;
  // The value is finite and in the range of a float.
  Result<std::optional<double>> Number(std::string_view key) const;
  Result<float> Float(std::string_view key, float fallback) const;
  Result<bool> Bool(std::string_view key, bool fallback) const;
  Result<std::string> String(std::string_view key, std::string_view fallback) const;
  // Returns nullptr if the key is missing.
  Result<const boost::json::object*> Object(std::string_view key) const;

 private:
  static Error Wrong(std::string_view key, const boost::json::value& value, std::string_view expected);

  const boost::json::object& object_;
};

}  // namespace exeunt
