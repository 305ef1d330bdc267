// BodyWriter writes an answer as one JSON body.
#pragma once

#include <memory>
#include <utility>

#include "coordinator/calls/answer_writer.h"

namespace exeunt::coordinator {

class BodyWriter : public AnswerWriter {
 public:
  BodyWriter(ResponseShape shape, std::unique_ptr<AnswerSink> sink)
      : shape_(std::move(shape)), sink_(std::move(sink)) {}

  void Complete(const std::vector<ChoiceBody>& choices, const Usage& usage) override {
    sink_->Body(ResponseBody(shape_, choices, usage));
  }
  void Fail(const ApiError& error) override { sink_->Refuse(error); }

 private:
  const ResponseShape shape_;
  const std::unique_ptr<AnswerSink> sink_;
};

}  // namespace exeunt::coordinator
