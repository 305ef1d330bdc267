#include "coordinator/openai/json_text.h"

#include <boost/json.hpp>
#include <cmath>

#include "base/error.h"
#include "text/utf8.h"

namespace exeunt::coordinator {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxDepth = 32;
constexpr std::size_t kExcerptBytes = 64;

void Append(const json::value& value, std::string* out) {
  if (value.is_object()) {
    *out += '{';
    for (const auto& [key, member] : value.get_object()) {
      if (out->back() != '{') *out += ',';
      *out += json::serialize(json::string(key));
      *out += ':';
      Append(member, out);
    }
    *out += '}';
  } else if (value.is_array()) {
    *out += '[';
    for (const auto& element : value.get_array()) {
      if (out->back() != '[') *out += ',';
      Append(element, out);
    }
    *out += ']';
  } else if (value.is_double()) {
    const double number = value.get_double();
    *out += std::isfinite(number) ? fmt::format("{}", number) : "null";
  } else {
    *out += json::serialize(value);
  }
}

}  // namespace

std::string WriteJson(const json::value& value) {
  std::string out;
  Append(value, &out);
  return out;
}

std::string Excerpt(std::string_view text) {
  if (text.size() <= kExcerptBytes) return text::ReplaceIllFormed(text);
  std::string shown;
  text::AppendWellFormed(text.substr(0, kExcerptBytes), &shown);
  return shown + "...";
}

std::string JsonExcerpt(const json::value& value) {
  if (!value.is_structured() && !value.is_string()) return WriteJson(value);
  char bytes[kExcerptBytes + 1];  // one byte more than is shown, to see whether the text is cut
  json::serializer serializer;
  serializer.reset(&value);
  return Excerpt(std::string_view(serializer.read(bytes, sizeof(bytes))));
}

Result<json::object> ParseRequestJson(std::string_view text) {
  json::parse_options options;
  options.max_depth = kMaxDepth;
  json::stream_parser parser({}, options);
  boost::system::error_code error;
  const std::size_t at = parser.write(text.data(), text.size(), error);
  if (!error) parser.finish(error);
  if (error) return InvalidArgument("the body is not valid JSON at byte {}: {}", at, error.message());
  json::value value = parser.release();
  if (!value.is_object()) return InvalidArgument("the body must be a JSON object");
  return std::move(value.get_object());
}

}  // namespace exeunt::coordinator
