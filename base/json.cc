#include "base/json.h"

#include <boost/json/serialize.hpp>
#include <boost/json/serializer.hpp>
#include <boost/json/stream_parser.hpp>

#include "base/error.h"

namespace exeunt {

Result<boost::json::object> ParseJsonObject(std::string_view text) {
  boost::json::parse_options options;
  options.max_depth = 32;
  boost::json::stream_parser parser({}, options);
  boost::json::error_code error;
  const size_t parsed = parser.write_some(text.data(), text.size(), error);
  if (!error && parsed < text.size()) {
    const size_t rest = text.find_first_not_of(" \t\r\n", parsed);
    if (rest != std::string_view::npos)
      return DataLoss("offset {}: text behind the end of the JSON value", rest);
  }
  if (!error) parser.finish(error);
  if (error) return DataLoss("offset {}: not JSON: {}", parsed, error.message());
  boost::json::value value = parser.release();
  if (!value.is_object()) return DataLoss("offset 0: not a JSON object");
  return std::move(value.get_object());
}

std::string JsonText(const boost::json::value& value) {
  // The serializer works piecewise, so that a huge value costs no more than its shown part.
  boost::json::serializer serializer;
  serializer.reset(&value);
  char text[120];
  const auto shown = serializer.read(text, sizeof(text));
  return std::string(shown) + (serializer.done() ? "" : "...");
}

}  // namespace exeunt
