#include "coordinator/testing/fake_tokenizer.h"

#include "text/utf8.h"

namespace exeunt::coordinator {
namespace {

class FakeTokenizer : public text::Tokenizer {
 public:
  explicit FakeTokenizer(text::ChatTemplateText chat_template) : chat_template_(std::move(chat_template)) {}
  std::vector<int32_t> Encode(std::string_view text, bool /*add_special*/,
                              bool parse_special) const override {
    std::vector<int32_t> tokens;
    while (!text.empty()) {
      const bool begin = parse_special && text.starts_with(kBegin);
      tokens.push_back(begin ? kFakeBegin : static_cast<unsigned char>(text.front()));
      text.remove_prefix(begin ? kBegin.size() : 1);
    }
    return tokens;
  }
  std::string Piece(int32_t token, bool render_special) const override {
    if (token == kFakeEnd) return render_special ? "<|end|>" : "";
    if (token == kFakeBegin) return render_special ? std::string(kBegin) : "";
    return token < 0 || token > 257 ? "" : std::string(1, static_cast<char>(token));
  }
  std::string NextPiece(int32_t token, bool render_special, text::DecodeState* /*state*/) const override {
    return Piece(token, render_special);
  }
  std::string Decode(const std::vector<int32_t>& tokens, bool render_special) const override {
    std::string bytes;
    for (const int32_t token : tokens) bytes += Piece(token, render_special);
    return text::ReplaceIllFormed(bytes);
  }
  int vocab_size() const override { return 258; }
  int32_t bos() const override { return kFakeBegin; }
  const std::vector<int32_t>& end_tokens() const override { return end_tokens_; }
  int32_t Find(std::string_view text) const override { return text == "<|end|>" ? kFakeEnd : -1; }
  const text::SpecialTokens& special_tokens() const override { return special_tokens_; }
  const std::vector<std::string>& warnings() const override { return warnings_; }
  const text::ChatTemplateText& chat_template() const override { return chat_template_; }

 private:
  static constexpr std::string_view kBegin = "<|begin|>";
  const std::vector<int32_t> end_tokens_ = {kFakeEnd};
  const text::SpecialTokens special_tokens_ = {
      .named = {{"bos_token", std::string(kBegin)}, {"eos_token", "<|end|>"}}, .additional = {}};
  const std::vector<std::string> warnings_ = {};
  const text::ChatTemplateText chat_template_;
};

}  // namespace

text::ChatTemplateText FakeChatTemplate() {
  return {.text =
              "{% for message in messages %}{{ bos_token + message['role'] + ':' + message['content'] }}\n{% "
              "endfor %}"
              "{% if add_generation_prompt %}assistant:{% endif %}",
          .source = "fake_tokenizer.cc",
          .problem = ""};
}

std::shared_ptr<const text::Tokenizer> MakeFakeTokenizer(text::ChatTemplateText chat_template) {
  return std::make_shared<FakeTokenizer>(std::move(chat_template));
}

}  // namespace exeunt::coordinator
