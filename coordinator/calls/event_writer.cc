#include "coordinator/calls/event_writer.h"

#include <utility>

namespace exeunt::coordinator {

EventWriter::EventWriter(ResponseShape shape, std::unique_ptr<AnswerSink> sink, boost::asio::io_context* io,
                         Duration comment_interval)
    : shape_(std::move(shape)), sink_(std::move(sink)), io_(io), comment_interval_(comment_interval) {}

void EventWriter::Accepted() {
  if (comment_interval_ > Duration{0}) Begin();
}

void EventWriter::Begin() {
  if (std::exchange(begun_, true)) return;
  sink_->Begin();
  if (comment_interval_ > Duration{0})
    pulse_.emplace(io_, comment_interval_, [this] { sink_->Write(kStreamComment); });
}

void EventWriter::Piece(const ChoiceBody& piece, bool first, const Usage& so_far) {
  Write(ChunkBody(shape_, piece, first, so_far));
}

void EventWriter::Complete(const std::vector<ChoiceBody>&, const Usage& usage) {
  pulse_.reset();
  if (shape_.usage_in_stream) Write(UsageChunkBody(shape_, usage));
  End();
}

void EventWriter::Fail(const ApiError& error) {
  pulse_.reset();
  if (!begun_) return sink_->Refuse(error);
  Write(ErrorBody(error));
  End();
}

void EventWriter::Write(std::string_view data) {
  sink_->Write(ServerSentEvent(data));
  if (pulse_) pulse_->Wrote();
}

void EventWriter::End() {
  Write("[DONE]");
  sink_->End();
}

}  // namespace exeunt::coordinator
