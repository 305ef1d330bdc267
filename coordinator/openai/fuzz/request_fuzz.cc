// Feeds any body to the parsers of the REST API. Each must give a request or an error that can be shown.
#include <boost/json.hpp>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "coordinator/openai/generation_request.h"
#include "coordinator/openai/json_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace exeunt::coordinator;  // NOLINT: an entry point, not a header
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
      const exeunt::SamplingParams& sampling = request->sampling;
      CHECK(request->n >= 1 && request->best_of >= request->n && request->stop.size() <= 4);
      CHECK(sampling.top_p > 0 && sampling.repetition_penalty > 0 && sampling.min_tokens >= 0);
      for (const exeunt::LogitBias& bias : sampling.logit_bias) CHECK(bias.token >= 0 && bias.token < 1000);
      for (const int32_t token : request->stop_token_ids) CHECK(token >= 0 && token < 1000);
      int32_t last = -1;
      for (const int32_t token : sampling.allowed_tokens) {
        CHECK(token > last && token < 1000);
        last = token;
      }
      for (const std::string& word : request->bad_words) CHECK(!word.empty() && word.front() != ' ');
      for (const exeunt::ForcedExit& exit : request->exit.forced) CHECK(exit.layer == 12 || exit.layer == 21);
    }
  }
  return 0;
}
