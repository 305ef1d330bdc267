// Bodies of the REST API: whatever comes, a parser gives a request or an error that can be shown.
#include <boost/json.hpp>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "coordinator/openai/generation_request.h"
#include "coordinator/openai/json_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace exeunt;  // NOLINT: an entry point, not a header
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto body = ParseRequestJson(text);
  if (!body) return 0;
  ApiLimits limits;
  limits.n_layers = 30;
  limits.exit_layers = {12, 21};
  limits.vocab_size = 1000;
  for (const auto& request : {ParseCompletionRequest(*body, limits), ParseChatRequest(*body, limits)}) {
    if (!request) {
      CHECK(ParseRequestJson(ErrorBody(request.error())).has_value());
    } else {
      CHECK(request->n >= 1 && request->sampling.top_p > 0 && request->stop.size() <= 4);
      for (const ForcedExit& exit : request->exit.forced) CHECK(exit.layer == 12 || exit.layer == 21);
    }
  }
  return 0;
}
