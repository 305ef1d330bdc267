// BatchLineWriter writes an answer as a line of a batch's output file, in the form of OpenAI's Batch API:
// {"id", "custom_id", "response": {"status_code", "request_id", "body"}, "error": null}. For a failed call
// the line has its HTTP status and error body.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "coordinator/calls/answer_writer.h"

namespace exeunt::coordinator {

struct BatchLineNames {
  std::string id;  // id of the line
  std::string custom_id;
  std::string request_id;
};

class BatchLineWriter : public AnswerWriter {
 public:
  // `done` gets the status and the line with its line feed, once.
  using Done = std::function<void(int status, std::string line)>;
  BatchLineWriter(ResponseShape shape, BatchLineNames names, Done done);

  void Complete(const std::vector<ChoiceBody>& choices, const Usage& usage) override;
  void Fail(const ApiError& error) override;

 private:
  void Write(int status, const std::string& body);

  const ResponseShape shape_;
  const BatchLineNames names_;
  const Done done_;
};

}  // namespace exeunt::coordinator
