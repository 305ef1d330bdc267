#include "coordinator/openai/field_reader.h"

#include <fmt/format.h>

#include <boost/json.hpp>

namespace exeunt {

const boost::json::value* FieldReader::Find(std::string_view key) const {
  const boost::json::value* value = object_.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::optional<double> FieldReader::Number(std::string_view key, double low, double high) {
  const boost::json::value* value = Find(key);
  if (value == nullptr) return std::nullopt;
  boost::system::error_code error;
  const double number = value->to_number<double>(error);
  if (error) {
    Fail(key, fmt::format("'{}{}' must be a number", prefix_, key));
  } else if (!(number >= low && number <= high)) {
    Fail(key, fmt::format("'{}{}' is {}, it must be between {} and {}", prefix_, key, number, low, high));
  } else {
    return number;
  }
  return std::nullopt;
}

std::optional<int64_t> FieldReader::Integer(std::string_view key, int64_t low, int64_t high) {
  const boost::json::value* value = Find(key);
  if (value == nullptr) return std::nullopt;
  boost::system::error_code error;
  const auto number = value->to_number<int64_t>(error);
  if (error) {
    Fail(key, fmt::format("'{}{}' must be an integer", prefix_, key));
  } else if (number < low || number > high) {
    Fail(key, fmt::format("'{}{}' is {}, it must be between {} and {}", prefix_, key, number, low, high));
  } else {
    return number;
  }
  return std::nullopt;
}

bool FieldReader::Bool(std::string_view key, bool fallback) {
  const boost::json::value* value = Find(key);
  if (value == nullptr) return fallback;
  if (value->is_bool()) return value->get_bool();
  Fail(key, fmt::format("'{}{}' must be true or false", prefix_, key));
  return fallback;
}

std::optional<std::string> FieldReader::String(std::string_view key) {
  const boost::json::value* value = Find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return std::string(value->get_string());
  Fail(key, fmt::format("'{}{}' must be a string", prefix_, key));
  return std::nullopt;
}

void FieldReader::Fail(std::string_view key, std::string message, std::string code) {
  if (!error_) error_ = BadRequest(prefix_ + std::string(key), std::move(message), std::move(code));
}

}  // namespace exeunt
