// AnswerWriter turns the answer to a call into bytes. A Call drives it. It knows nothing of tokens or
// pipelines. AnswerSink takes the bytes and knows nothing of their form. An HTTP exchange is a sink, and so
// is a test's string.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "coordinator/openai/api_error.h"
#include "coordinator/openai/response.h"

namespace exeunt::coordinator {

// A sink gets exactly one of these sequences, once: Body, or Refuse, or Begin, Write..., End. Calls after the
// reader has gone are harmless. One thread.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  // Takes the whole answer.
  virtual void Body(std::string body) = 0;
  // Takes an error instead of an answer.
  virtual void Refuse(const ApiError& error) = 0;
  // Begins a stream, whose pieces follow.
  virtual void Begin() = 0;
  virtual void Write(std::string_view bytes) = 0;
  virtual void End() = 0;
};

// One answer, which may have several choices. Complete or Fail is called once and ends it, unless Gone was
// called before. One thread.
class AnswerWriter {
 public:
  virtual ~AnswerWriter() = default;
  // Returns whether it takes an answer in pieces. Piece then gets every part of every choice, and Complete
  // gets none.
  virtual bool streams() const { return false; }
  // The call was not refused. It waits for a place or has one.
  virtual void Accepted() {}
  // A part of the answer has arrived, even if none of it can be shown yet. It comes before every Piece.
  // Repeats change nothing.
  virtual void Begin() {}
  // Takes the new part of a choice. `first` says that the piece names the role of a chat's answer. `so_far`
  // is filled if the shape of the answer shows the usage in every chunk.
  virtual void Piece(const ChoiceBody& /*piece*/, bool /*first*/, const Usage& /*so_far*/) {}
  virtual void Complete(const std::vector<ChoiceBody>& choices, const Usage& usage) = 0;
  virtual void Fail(const ApiError& error) = 0;
  // Nobody reads the answer any longer.
  virtual void Gone() {}
};

}  // namespace exeunt::coordinator
