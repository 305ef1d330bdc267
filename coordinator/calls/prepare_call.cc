#include "coordinator/calls/prepare_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "coordinator/calls/answer_choice.h"

namespace exeunt::coordinator {
namespace {

ApiResult<std::vector<std::vector<int32_t>>> EncodeAll(const ServedModel& model,
                                                       const GenerationRequest& request) {
  std::vector<std::vector<int32_t>> prompts;
  if (request.chat) {
    auto tokens =
        EncodeChat(model, request.messages, request.rendering, request.add_special_tokens.value_or(false));
    if (!tokens) return tokens.error();
    prompts.push_back(std::move(*tokens));
  }
  for (const PromptInput& prompt : request.prompts) {
    auto tokens = EncodePrompt(model, prompt, request.add_special_tokens.value_or(true));
    if (!tokens) return tokens.error();
    prompts.push_back(std::move(*tokens));
  }
  return prompts;
}

ApiResult<void> CheckPrompts(const ServedModel& model, const GenerationRequest& request,
                             const std::vector<std::vector<int32_t>>& prompts) {
  const char* param = request.chat ? "messages" : "prompt";
  constexpr const char* kCode = "context_length_exceeded";
  for (const auto& prompt : prompts) {
    if (const auto usable = CheckTokens(model, param, prompt); !usable) return usable.error();
    if (model.max_prompt_tokens > 0 && prompt.size() > model.max_prompt_tokens) {
      return BadRequest(param,
                        fmt::format("the prompt of '{}' has {} tokens, this server takes {} at most", param,
                                    prompt.size(), model.max_prompt_tokens),
                        kCode);
    }
    if (prompt.size() >= model.context_length) {
      return BadRequest(
          param,
          fmt::format("the prompt of '{}' has {} tokens, the context of {} takes {} at most, and "
                      "the answer's first",
                      param, prompt.size(), model.context_length, model.context_length - 1),
          kCode);
    }
  }
  return {};
}

// Returns the tokens that the context has left behind the longest prompt.
int64_t RoomBehind(const std::vector<std::vector<int32_t>>& prompts, uint32_t context_length) {
  auto room = static_cast<int64_t>(context_length);
  for (const auto& prompt : prompts)
    room = std::min(room, int64_t{context_length} - static_cast<int64_t>(prompt.size()));
  return room;
}

ResponseShape ShapeOf(const GenerationRequest& request, const ServedModel& model, const CallOrigin& origin) {
  ResponseShape shape;
  shape.chat = request.chat;
  shape.id =
      (request.chat ? "chatcmpl-" : "cmpl-") + (request.request_id.empty() ? origin.id : request.request_id);
  shape.model = model.id;
  shape.created = origin.created;
  shape.logprobs = request.sampling.n_logprobs >= 0;
  shape.exit_layers = request.exit_per_token;
  shape.usage_in_stream = request.include_usage;
  shape.continuous_usage = request.continuous_usage;
  shape.n_layers = model.limits.n_layers;
  shape.exit = request.exit;
  shape.certificate = request.certificate;
  return shape;
}

}  // namespace

ApiResult<PreparedCall> PrepareCall(const ServedModel& model, const CallOrigin& origin,
                                    const boost::json::object& body) {
  auto request =
      origin.chat ? ParseChatRequest(body, model.limits) : ParseCompletionRequest(body, model.limits);
  if (!request) return request.error();
  if (const auto known = CheckModelName(model, request->model); !known) return known.error();
  if (const auto encoded = EncodeBadWords(model, &*request); !encoded) return encoded.error();
  auto prompts = EncodeAll(model, *request);
  if (!prompts) return prompts.error();
  if (const auto fit = CheckPrompts(model, *request, *prompts); !fit) return fit.error();
  ApplyDefaultCertificate(model.limits, RoomBehind(*prompts, model.context_length), &*request);
  PreparedCall call;
  call.common = RequestOf(*request, *model.tokenizer, origin.seed);
  call.common.client = origin.client;
  call.shape = ShapeOf(*request, model, origin);
  call.prompts = std::move(*prompts);
  call.asked = std::move(*request);
  return call;
}

void PreparedCall::RunInFull() {
  asked.certificate.clear();
  asked.exit = {};
  common.exit = {};
  shape.certificate.clear();
  shape.exit = {};
}

}  // namespace exeunt::coordinator
