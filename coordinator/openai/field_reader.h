// FieldReader reads typed and ranged fields of a JSON object. It keeps the first error, so that a parser
// reads all its fields and checks once.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/openai/api_error.h"

namespace exeunt::coordinator {

// The object must outlive the reader. A field that is null counts as absent.
class FieldReader {
 public:
  // Errors name a key with `prefix` in front, such as "exit.".
  explicit FieldReader(const boost::json::object& object, std::string prefix = "")
      : object_(object), prefix_(std::move(prefix)) {}

  const boost::json::value* Find(std::string_view key) const;
  // Both ends of a range are allowed.
  std::optional<double> Number(std::string_view key, double low, double high);
  std::optional<int64_t> Integer(std::string_view key, int64_t low, int64_t high);
  bool Bool(std::string_view key, bool fallback);
  std::optional<std::string> String(std::string_view key);
  // Reads at most `most` ids in [0, vocab_size).
  std::optional<std::vector<int32_t>> TokenIds(std::string_view key, size_t most, int vocab_size);

  void Fail(std::string_view key, std::string message, std::string code = "");
  // Fails with "'key' is VALUE, it must be `right`".
  void FailAs(std::string_view key, const boost::json::value& value, std::string_view right);
  bool ok() const { return !error_; }
  const ApiError& error() const { return *error_; }

 private:
  const boost::json::object& object_;
  std::string prefix_;
  std::optional<ApiError> error_;
};

}  // namespace exeunt::coordinator
