// AnswerWriter: turns the answer to a call into bytes. A Call drives it; it knows nothing of tokens or
// pipelines. AnswerSink: where the bytes go. It knows nothing of their form. An HTTP exchange is one, a
// test's string another.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "coordinator/openai/api_error.h"
#include "coordinator/openai/response.h"

namespace exeunt::coordinator {

// Either Body, or Refuse, or Begin, Write..., End; exactly one of them, once. Calls after the reader has gone
// are harmless. One thread.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  // The whole answer.
  virtual void Body(std::string body) = 0;
  // An error in the place of an answer.
  virtual void Refuse(const ApiError& error) = 0;
  // A stream begins; its pieces follow.
  virtual void Begin() = 0;
  virtual void Write(std::string_view bytes) = 0;
  virtual void End() = 0;
};

// One answer, which may have several choices. Complete or Fail is called once and ends it, unless Gone came
// before. One thread.
class AnswerWriter {
 public:
  virtual ~AnswerWriter() = default;
  // Whether it takes an answer in pieces. Then Piece has every part of every choice, and Complete none.
  virtual bool streams() const { return false; }
  // The call was not refused: it waits for a place, or has one.
  virtual void Accepted() {}
  // There is something of the answer, even if nothing of it can be shown yet. Comes before every Piece;
  // repeats change nothing.
  virtual void Begin() {}
  // What is new of a choice. `first`: the piece names the role of a chat's answer. `so_far`: filled where the
  // shape of the answer shows the usage in every chunk.
  virtual void Piece(const ChoiceBody& /*piece*/, bool /*first*/, const Usage& /*so_far*/) {}
  virtual void Complete(const std::vector<ChoiceBody>& choices, const Usage& usage) = 0;
  virtual void Fail(const ApiError& error) = 0;
  // Nobody reads the answer any more.
  virtual void Gone() {}
};

}  // namespace exeunt::coordinator
