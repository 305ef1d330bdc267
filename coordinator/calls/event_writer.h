// EventWriter: an answer as a stream of server-sent events, in the form of OpenAI's API.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "coordinator/calls/answer_writer.h"
#include "coordinator/calls/stream_pulse.h"

namespace exeunt::coordinator {

class EventWriter : public AnswerWriter {
 public:
  // comment_interval: with comments, the stream begins as soon as the call is accepted, and a silent stream
  // gets a comment so often; 0: without comments it begins with the first token. io outlives the writer.
  EventWriter(ResponseShape shape, std::unique_ptr<AnswerSink> sink, boost::asio::io_context* io,
              Duration comment_interval);

  bool streams() const override { return true; }
  void Accepted() override;
  void Begin() override;
  void Piece(const ChoiceBody& piece, bool first, const Usage& so_far) override;
  void Complete(const std::vector<ChoiceBody>& choices, const Usage& usage) override;
  // Before the stream has begun the call is refused; later the error is an event.
  void Fail(const ApiError& error) override;
  void Gone() override { pulse_.reset(); }

 private:
  void Write(std::string_view data);
  void End();

  const ResponseShape shape_;
  const std::unique_ptr<AnswerSink> sink_;
  boost::asio::io_context* const io_;
  const Duration comment_interval_;
  bool begun_ = false;
  std::optional<StreamPulse> pulse_;  // of a stream that has begun and not ended
};

}  // namespace exeunt::coordinator
