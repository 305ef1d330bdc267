#include "request/end_reason.h"

namespace exeunt {

const char* EndReasonName(EndReason reason) {
  switch (reason) {
    case EndReason::kStop:
      return "stop";
    case EndReason::kLength:
      return "length";
    case EndReason::kCancelled:
      return "abort";
  }
  return "";
}

}  // namespace exeunt
