#include "coordinator/calls/batch_line_writer.h"

#include <fmt/format.h>

#include <boost/json/value.hpp>

#include <utility>

#include "coordinator/openai/json_text.h"

namespace exeunt::coordinator {

BatchLineWriter::BatchLineWriter(ResponseShape shape, BatchLineNames names, Done done)
    : shape_(std::move(shape)), names_(std::move(names)), done_(std::move(done)) {}

void BatchLineWriter::Complete(const std::vector<ChoiceBody>& choices, const Usage& usage) {
  Write(200, ResponseBody(shape_, choices, usage));
}

void BatchLineWriter::Fail(const ApiError& error) { Write(error.status, ErrorBody(error)); }

// The body is JSON in one line already.
void BatchLineWriter::Write(int status, const std::string& body) {
  const auto quoted = [](const std::string& text) { return WriteJson(boost::json::value(text)); };
  done_(
      status,
      fmt::format(
          R"({{"id":{},"custom_id":{},"response":{{"status_code":{},"request_id":{},"body":{}}},"error":null}})",
          quoted(names_.id), quoted(names_.custom_id), status, quoted(names_.request_id), body) +
          "\n");
}

}  // namespace exeunt::coordinator
