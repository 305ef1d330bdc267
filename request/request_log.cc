#include "request/request_log.h"

#include <boost/json.hpp>

#include "base/error.h"
#include "request/request_json.h"

namespace exeunt {
namespace {

namespace json = boost::json;

constexpr const char* kVersionKey = "request_log";
constexpr const char* kRequestKey = "request";

}  // namespace

std::string RequestLogLine(const SequenceRequest& request) {
  static const json::object defaults = ToJson(SequenceRequest{});
  json::object changed;
  for (auto& [name, value] : ToJson(request)) {
    if (value != defaults.at(name)) changed[name] = std::move(value);
  }
  return json::serialize(json::object{{kVersionKey, kRequestLogVersion}, {kRequestKey, std::move(changed)}}) +
         "\n";
}

Result<SequenceRequest> ReadRequestLogLine(std::string_view line) {
  boost::system::error_code error;
  const json::value value = json::parse(line, error);
  if (error) return DataLoss("line of a request log is not JSON: {}", error.message());
  const json::object* object = value.if_object();
  const json::value* version = object == nullptr ? nullptr : object->if_contains(kVersionKey);
  const json::value* request = object == nullptr ? nullptr : object->if_contains(kRequestKey);
  if (version == nullptr || request == nullptr)
    return DataLoss("line of a request log has no '{}' or no '{}'", kVersionKey, kRequestKey);
  if (*version != kRequestLogVersion) {
    return DataLoss("line of a request log has version {}, this program reads {}", json::serialize(*version),
                    kRequestLogVersion);
  }
  return RequestFromJson(*request);
}

}  // namespace exeunt
