// HttpAnswer sends the answer to a call over an HTTP exchange.
#pragma once

#include <memory>
#include <utility>

#include "coordinator/calls/answer_writer.h"
#include "coordinator/gateway/http.h"

namespace exeunt::coordinator {

// Returns the response to a failed request. It has Retry-After if the client should try again.
HttpResponse ErrorResponse(const ApiError& error);

class HttpAnswer : public AnswerSink {
 public:
  explicit HttpAnswer(std::shared_ptr<HttpExchange> exchange) : exchange_(std::move(exchange)) {}

  void Body(std::string body) override { exchange_->Respond({.status = 200, .body = std::move(body)}); }
  void Refuse(const ApiError& error) override { exchange_->Respond(ErrorResponse(error)); }
  void Begin() override;
  void Write(std::string_view bytes) override { exchange_->Write(bytes); }
  void End() override { exchange_->EndStream(); }

 private:
  const std::shared_ptr<HttpExchange> exchange_;
};

}  // namespace exeunt::coordinator
