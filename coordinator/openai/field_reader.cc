#include "coordinator/openai/field_reader.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "coordinator/openai/json_text.h"

namespace exeunt::coordinator {

const boost::json::value* FieldReader::Find(std::string_view key) const {
  const boost::json::value* value = object_.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::optional<double> FieldReader::Number(std::string_view key, double low, double high) {
  const boost::json::value* value = Find(key);
  if (value == nullptr) return std::nullopt;
  boost::system::error_code error;
  const double number = value->to_number<double>(error);
  if (!error && number >= low && number <= high) return number;
  FailAs(key, *value, fmt::format("a number between {} and {}", low, high));
  return std::nullopt;
}

std::optional<int64_t> FieldReader::Integer(std::string_view key, int64_t low, int64_t high) {
  const boost::json::value* value = Find(key);
  if (value == nullptr) return std::nullopt;
  boost::system::error_code error;
  const auto number = value->to_number<int64_t>(error);
  if (!error && number >= low && number <= high) return number;
  FailAs(key, *value, fmt::format("an integer between {} and {}", low, high));
  return std::nullopt;
}

bool FieldReader::Bool(std::string_view key, bool fallback) {
  const boost::json::value* value = Find(key);
  if (value == nullptr) return fallback;
  if (value->is_bool()) return value->get_bool();
  FailAs(key, *value, "true or false");
  return fallback;
}

std::optional<std::string> FieldReader::String(std::string_view key) {
  const boost::json::value* value = Find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return std::string(value->get_string());
  FailAs(key, *value, "a string");
  return std::nullopt;
}

std::optional<std::vector<int32_t>> FieldReader::TokenIds(std::string_view key, size_t most, int vocab_size) {
  const boost::json::value* value = Find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array()) {
    FailAs(key, *value, "a list of token ids");
    return std::nullopt;
  }
  if (const size_t size = value->get_array().size(); size > most) {
    Fail(key, fmt::format("'{}{}' has {} token ids, at most {}", prefix_, key, size, most));
    return std::nullopt;
  }
  std::vector<int32_t> tokens;
  for (const boost::json::value& element : value->get_array()) {
    boost::system::error_code error;
    tokens.push_back(element.to_number<int32_t>(error));
    if (!error && tokens.back() >= 0 && tokens.back() < vocab_size) continue;
    Fail(key, fmt::format("{} of '{}{}' is no token id in [0, {})", JsonExcerpt(element), prefix_, key,
                          vocab_size));
    return std::nullopt;
  }
  return tokens;
}

void FieldReader::FailAs(std::string_view key, const boost::json::value& value, std::string_view right) {
  Fail(key, fmt::format("'{}{}' is {}, it must be {}", prefix_, key, JsonExcerpt(value), right));
}

void FieldReader::Fail(std::string_view key, std::string message, std::string code) {
  if (!error_) error_ = BadRequest(prefix_ + std::string(key), std::move(message), std::move(code));
}

}  // namespace exeunt::coordinator
