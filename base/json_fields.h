// JsonFields gives typed access to the fields of an object from an untrusted JSON file. Errors name a field
// by its whole path. JsonFields is a view: the object must outlive it.
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
  // `path` names the object, such as "model" or "added_tokens[3]". It is "" for the file's outermost object.
  JsonFields(const boost::json::object& object, std::string path)
      : object_(&object), path_(std::move(path)) {}
  static Result<JsonFields> Of(const boost::json::value& value, std::string path);

  // Returns nullptr if the field is missing or null.
  const boost::json::value* Find(std::string_view name) const;
  std::string PathOf(std::string_view name) const;

  Result<std::string> String(std::string_view name) const;
  Result<std::string> StringOr(std::string_view name, std::string_view otherwise) const;
  Result<bool> BoolOr(std::string_view name, bool otherwise) const;
  // The value must be in [0, limit).
  Result<int64_t> IndexOr(std::string_view name, int64_t otherwise, int64_t limit) const;
  Result<const boost::json::array*> Array(std::string_view name) const;
  Result<JsonFields> Object(std::string_view name) const;

 private:
  const boost::json::object* object_;
  std::string path_;
};

// Returns the text of a JSON string.
std::string TextOf(const boost::json::string& string);

}  // namespace exeunt
