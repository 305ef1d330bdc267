// Reads any JSON object of objects as the files beside a small tokenizer.json. What loads must stay within
// the embedding.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/json.h"
#include "text/hf_special_tokens.h"
#include "text/tokenizer_json.h"

namespace {

constexpr int kRows = 10;
constexpr std::string_view kTokenizer =
    R"({"model":{"type":"BPE","vocab":{"a":0,"b":1,"<s>":2,"</s>":3},"merges":[]},)"
    R"("added_tokens":[{"id":2,"content":"<s>","special":true}]})";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto object = exeunt::ParseJsonObject({reinterpret_cast<const char*>(data), size});
  if (!object) return 0;
  const auto file = [&](std::string_view name) {
    const auto* value = object->if_contains(name);
    return value != nullptr && value->is_object() ? value->get_object() : boost::json::object();
  };
  const exeunt::text::HfTokenFiles files{"",
                                         file("tokenizer_config"),
                                         file("special_tokens_map"),
                                         file("added_tokens"),
                                         file("generation_config"),
                                         file("config")};
  const auto tokens = exeunt::text::ReadHfSpecialTokens(files);
  if (!tokens) return 0;
  auto parts = exeunt::text::ReadTokenizerJson(kTokenizer, tokens->added);
  if (!parts || !exeunt::text::FitToEmbedding(kRows, &*parts)) return 0;
  for (const auto* ids : {&parts->end_tokens, &parts->prefix, &parts->suffix}) {
    for (const int32_t id : *ids) CHECK(id >= 0 && id < kRows);
  }
  const exeunt::text::TokenizerPipeline tokenizer(std::move(parts).value());
  for (const int32_t id : tokenizer.Encode("ab <s> x</s>", true, true))
    CHECK(id >= 0 && id < tokenizer.vocab_size());
  return 0;
}
