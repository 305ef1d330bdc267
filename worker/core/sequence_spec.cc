#include "worker/core/sequence_spec.h"

#include <algorithm>

#include "base/check.h"
#include "base/error.h"
#include "kernels/kv_layout.h"
#include "transport/request_message.h"

namespace exeunt::worker {
namespace {

Status CheckIsBuilt(const SequenceRequest& request) {
  const ExitMode mode = request.exit.mode;
  if (mode == ExitMode::kExact || mode == ExitMode::kVerify)
    return Unimplemented("exit mode {} is not built yet; modes are off and propagate", ExitModeName(mode));
  if (!request.generated.empty()) {
    return Unimplemented("{} generated tokens are to be replayed, and replay is not built yet",
                         request.generated.size());
  }
  return OkStatus();
}

// The last row of a prompt is never shared, because it gives the first token.
bool CanShare(int tokens, const SequenceSpec& spec, int page_tokens) {
  return tokens >= 0 && tokens % page_tokens == 0 && tokens < spec.prompt_tokens();
}

Status CheckPrefix(const SequenceSpec& spec, int page_tokens) {
  CHECK_GT(page_tokens, 0);
  if (!CanShare(spec.retain_tokens, spec, page_tokens)) {
    return InvalidArgument("retain_tokens {} is no multiple of {} below the prompt's {}", spec.retain_tokens,
                           page_tokens, spec.prompt_tokens());
  }
  if (spec.prefix_of == 0 && spec.prefix_tokens == 0) return OkStatus();
  if (spec.prefix_of == 0 || spec.prefix_of == spec.sequence)
    return InvalidArgument("prefix_of {} is no other sequence", spec.prefix_of);
  if (spec.prefix_tokens == 0 || !CanShare(spec.prefix_tokens, spec, page_tokens)) {
    return InvalidArgument("prefix_tokens {} is no multiple of {} below the prompt's {}", spec.prefix_tokens,
                           page_tokens, spec.prompt_tokens());
  }
  return OkStatus();
}

}  // namespace

bool SequenceSpec::IsEnd(int32_t token) const {
  return std::find(end_tokens.begin(), end_tokens.end(), token) != end_tokens.end();
}

Status Validate(const SequenceSpec& spec, const SequenceLimits& limits) {
  if (spec.sequence == 0) return InvalidArgument("sequence number 0");
  const SequenceRequest& request = spec;
  RETURN_IF_ERROR(Validate(request, static_cast<const RequestLimits&>(limits)));
  RETURN_IF_ERROR(CheckIsBuilt(request));
  RETURN_IF_ERROR(CheckPrefix(spec, limits.page_tokens));
  // The row before a scored token must run in this sequence.
  if (spec.score_from != 0 && spec.score_from <= spec.prefix_tokens) {
    return InvalidArgument("score_from {} is outside the prompt's own positions ({}, {})", spec.score_from,
                           spec.prefix_tokens, spec.prompt_tokens());
  }
  return OkStatus();
}

}  // namespace exeunt::worker
