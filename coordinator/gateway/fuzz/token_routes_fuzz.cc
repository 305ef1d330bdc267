// Feeds any body to /tokenize and /detokenize. Each must give a reply or an error that can be shown.
#include <boost/json.hpp>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "coordinator/gateway/token_routes.h"
#include "coordinator/openai/json_text.h"
#include "coordinator/testing/fake_tokenizer.h"

namespace {

exeunt::coordinator::ServedModel FakeModel() {
  exeunt::coordinator::ServedModel model;
  model.id = "fake";
  model.tokenizer = exeunt::coordinator::MakeFakeTokenizer();
  model.limits.vocab_size = model.tokenizer->vocab_size();
  model.chat = exeunt::coordinator::LoadChat(*model.tokenizer, "").value();
  return model;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace exeunt::coordinator;  // NOLINT: an entry point, not a header
  static const ServedModel model = FakeModel();
  const auto body = ParseRequestJson({reinterpret_cast<const char*>(data), size});
  if (!body) return 0;
  for (const auto& reply : {TokenizeReply(model, *body), DetokenizeReply(model, *body)}) {
    const std::string text = reply ? WriteJson(*reply) : ErrorBody(reply.error());
    CHECK(ParseRequestJson(text).has_value());
  }
  return 0;
}
