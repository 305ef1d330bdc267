// Generation: one call of /v1/completions or /v1/chat/completions, from its tokens to its answer.
#pragma once

#include <memory>
#include <vector>

#include "coordinator/driver/driver.h"
#include "coordinator/gateway/auditor.h"
#include "coordinator/gateway/choice_text.h"
#include "coordinator/gateway/http.h"
#include "coordinator/gateway/served_model.h"

namespace exeunt {

// What a generation uses; all of it outlives every generation.
struct GenerationContext {
  Driver* driver = nullptr;
  const ServedModel* model = nullptr;
  Auditor* auditor = nullptr;
  Duration stream_comment_interval{0};  // a silent stream gets a comment; 0: none
};

// Submits a sequence for each prompt and choice, and answers the exchange, plainly or as a stream, exactly
// once. It lives as long as the driver has a sequence of it; when the client goes, its sequences are
// abandoned. A request that is refused when it comes has a proper status. Otherwise a stream's head is sent
// at once, and comments while it is silent; without comments the head is sent with the first token.
void StartGeneration(const GenerationContext& context, std::shared_ptr<HttpExchange> exchange,
                     const GenerationRequest& request, std::shared_ptr<const std::string> canonical_body,
                     std::vector<std::vector<int32_t>> prompts);

// The answer to a request that failed; Retry-After where it is to be tried again.
HttpResponse ErrorResponse(const ApiError& error);

}  // namespace exeunt
