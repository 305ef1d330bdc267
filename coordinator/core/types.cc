#include "coordinator/core/types.h"

namespace exeunt::coordinator {

const char* PipelineStateName(PipelineState state) {
  switch (state) {
    case PipelineState::kStarting:
      return "starting";
    case PipelineState::kLoading:
      return "loading";
    case PipelineState::kReady:
      return "ready";
    case PipelineState::kEnding:
      return "ending";
    case PipelineState::kBackoff:
      return "backoff";
    case PipelineState::kStopped:
      return "stopped";
  }
  return "unknown";
}

}  // namespace exeunt::coordinator
