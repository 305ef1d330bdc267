// Reads any text as a tokenizer.json. What loads must encode and decode, and the stream must equal the whole.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "text/tokenizer_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto parts = exeunt::text::ReadTokenizerJson(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!parts) return 0;
  const auto tokenizer = std::make_shared<const exeunt::text::TokenizerPipeline>(std::move(parts).value());
  const std::string_view texts[] = {"", "Hello, world! 123",
                                    " a\n\n b<s>\t\xC3\xA9\xF0\x9F\x98\x80 \xFF aaaaaaaaaaaaaaaa"};
  for (const std::string_view text : texts) {
    for (const bool special : {false, true}) {
      const std::vector<int32_t> ids = tokenizer->Encode(text, special, special);
      exeunt::text::Detokenizer detokenizer(tokenizer, special);
      std::string streamed;
      for (const int32_t id : ids) {
        CHECK(id >= 0 && id < tokenizer->vocab_size());
        streamed += detokenizer.Push(id);
      }
      streamed += detokenizer.Flush();
      CHECK_EQ(streamed, tokenizer->Decode(ids, special));
    }
  }
  return 0;
}
