// EventWriter writes an answer as a stream of server-sent events, in the form of OpenAI's API.
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
  // With a comment_interval the stream begins as soon as the call is accepted, and a silent stream gets a
  // comment after each interval. With 0 there are no comments, and the stream begins with the first token. io
  // must outlive the writer.
  EventWriter(ResponseShape shape, std::unique_ptr<AnswerSink> sink, boost::asio::io_context* io,
              Duration comment_interval);

  bool streams() const override { return true; }
  void Accepted() override;
  void Begin() override;
  void Piece(const ChoiceBody& piece, bool first, const Usage& so_far) override;
  void Complete(const std::vector<ChoiceBody>& choices, const Usage& usage) override;
  // Refuses the call if the stream has not begun. Later the error is an event.
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
  std::optional<StreamPulse> pulse_;  // set while a stream has begun and not ended
};

}  // namespace exeunt::coordinator
