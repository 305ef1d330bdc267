// JsonFields: typed access to an object of an untrusted JSON file; errors name the field by its whole path.
// A view: the object outlives it.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace exeunt {

class JsonFields {
 public:
  // `path` names the object: "model", "added_tokens[3]"; "" for the file's own.
  JsonFields(const boost::json::object& object, std::string path)
      : object_(&object), path_(std::move(path)) {}
  static Result<JsonFields> Of(const boost::json::value& value, std::string path);

  // nullptr: not there, or null.
  const boost::json::value* Find(std::string_view name) const;
  std::string PathOf(std::string_view name) const;

  Result<std::string> String(std::string_view name) const;
  Result<std::string> StringOr(std::string_view name, std::string_view otherwise) const;
  Result<bool> BoolOr(std::string_view name, bool otherwise) const;
  // From 0 to `limit`, exclusive.
  Result<int64_t> IndexOr(std::string_view name, int64_t otherwise, int64_t limit) const;
  Result<const boost::json::array*> Array(std::string_view name) const;
  Result<JsonFields> Object(std::string_view name) const;

 private:
  const boost::json::object* object_;
  std::string path_;
};

// The text of a JSON string.
std::string TextOf(const boost::json::string& string);

}  // namespace exeunt
