#include "request/request_json.h"

#include <boost/json.hpp>
#include <concepts>
#include <limits>
#include <string>
#include <type_traits>

#include "base/error.h"
#include "request/request_fields.h"

namespace exeunt {
namespace {

namespace json = boost::json;

std::string Shown(const json::value& value) {
  constexpr size_t kMost = 80;
  std::string text = json::serialize(value);
  if (text.size() > kMost) text = text.substr(0, kMost) + "...";
  return text;
}

Error WrongType(const std::string& path, const json::value& value, const char* right) {
  return InvalidArgument("request field '{}' is {}, it must be {}", path, Shown(value), right);
}

// ---- writing

json::value Write(std::integral auto value) { return value; }
json::value Write(float value) { return double{value}; }
json::value Write(const std::string& value) { return json::string(value); }
json::value Write(Duration value) { return int64_t{value.count()}; }
json::value Write(ExitMode mode) { return ExitModeName(mode); }
json::value Write(ExitMeasure measure) { return ExitMeasureName(measure); }
template <typename T>
json::value Write(const std::optional<T>& value);
template <typename T>
json::value Write(const std::vector<T>& values);

template <HasFields T>
json::value Write(const T& value) {
  json::object object;
  ForEachField(value, [&](const char* name, const auto& member) { object[name] = Write(member); });
  return object;
}

template <typename T>
json::value Write(const std::optional<T>& value) {
  return value ? Write(*value) : json::value(nullptr);
}

template <typename T>
json::value Write(const std::vector<T>& values) {
  json::array array;
  array.reserve(values.size());
  for (const T& value : values) array.push_back(Write(value));
  return array;
}

// ---- reading

Status Read(const json::value& value, const std::string& path, bool* out) {
  if (!value.is_bool()) return WrongType(path, value, "true or false");
  *out = value.get_bool();
  return OkStatus();
}

template <std::integral T>
Status Read(const json::value& value, const std::string& path, T* out) {
  boost::system::error_code error;
  const T number = value.is_number() ? value.to_number<T>(error) : T{};
  if (!value.is_number() || error) {
    return InvalidArgument("request field '{}' is {}, it must be an integer in [{}, {}]", path, Shown(value),
                           std::numeric_limits<T>::min(), std::numeric_limits<T>::max());
  }
  *out = number;
  return OkStatus();
}

Status Read(const json::value& value, const std::string& path, float* out) {
  if (!value.is_number()) return WrongType(path, value, "a number");
  *out = static_cast<float>(value.to_number<double>());
  return OkStatus();
}

Status Read(const json::value& value, const std::string& path, std::string* out) {
  if (!value.is_string()) return WrongType(path, value, "a string");
  *out = std::string(value.get_string());
  return OkStatus();
}

Status Read(const json::value& value, const std::string& path, Duration* out) {
  int64_t nanoseconds = 0;
  RETURN_IF_ERROR(Read(value, path, &nanoseconds));
  *out = Duration(nanoseconds);
  return OkStatus();
}

template <typename T>
Status ReadName(const json::value& value, const std::string& path, std::optional<T> (*of)(std::string_view),
                T* out) {
  const auto known = value.is_string() ? of(value.get_string()) : std::nullopt;
  if (!known) return InvalidArgument("request field '{}' is {}, which is unknown", path, Shown(value));
  *out = *known;
  return OkStatus();
}
Status Read(const json::value& value, const std::string& path, ExitMode* out) {
  return ReadName(value, path, &ExitModeOf, out);
}
Status Read(const json::value& value, const std::string& path, ExitMeasure* out) {
  return ReadName(value, path, &ExitMeasureOf, out);
}

template <typename T>
Status Read(const json::value& value, const std::string& path, std::optional<T>* out);
template <typename T>
Status Read(const json::value& value, const std::string& path, std::vector<T>* out);

template <HasFields T>
Status Read(const json::value& value, const std::string& path, T* out) {
  if (!value.is_object()) return WrongType(path, value, "an object");
  const json::object& object = value.get_object();
  const std::string prefix = path.empty() ? "" : path + ".";
  Status status = OkStatus();
  size_t known = 0;
  ForEachField(*out, [&](const char* name, auto& member) {
    const json::value* field = object.if_contains(name);
    if (field == nullptr) return;
    ++known;
    if (status.has_value()) status = Read(*field, prefix + name, &member);
  });
  if (!status.has_value() || known == object.size()) return status;
  for (const auto& [key, unknown] : object) {
    bool listed = false;
    ForEachField(*out, [&, key = std::string_view(key)](const char* name, auto&) { listed |= key == name; });
    if (!listed)
      return InvalidArgument("request field '{}{}' is unknown, its value is {}", prefix,
                             std::string_view(key), Shown(unknown));
  }
  return status;
}

template <typename T>
Status Read(const json::value& value, const std::string& path, std::optional<T>* out) {
  out->reset();
  if (value.is_null()) return OkStatus();
  return Read(value, path, &out->emplace());
}

template <typename T>
Status Read(const json::value& value, const std::string& path, std::vector<T>* out) {
  if (!value.is_array()) return WrongType(path, value, "a list");
  out->clear();
  out->reserve(value.get_array().size());
  for (const json::value& item : value.get_array())
    RETURN_IF_ERROR(Read(item, path + "[]", &out->emplace_back()));
  return OkStatus();
}

}  // namespace

json::object ToJson(const SequenceRequest& request) { return std::move(Write(request).get_object()); }

Result<SequenceRequest> RequestFromJson(const json::value& value) {
  SequenceRequest request;
  RETURN_IF_ERROR(Read(value, "", &request));
  return request;
}

}  // namespace exeunt
