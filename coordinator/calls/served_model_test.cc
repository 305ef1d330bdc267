#include "coordinator/calls/served_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "coordinator/gateway/token_routes.h"

namespace exeunt::coordinator {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int32_t kBos = 1, kSpaceWord = 300;

// A byte a token, and one token for " w"; BOS in front where special tokens are added.
class ByteTokenizer : public text::Tokenizer {
 public:
  std::vector<int32_t> Encode(std::string_view text, bool add_special, bool parse_special) const override {
    std::vector<int32_t> tokens;
    if (add_special) tokens.push_back(kBos);
    while (!text.empty()) {
      const bool special = parse_special && text.starts_with("<s>");
      const bool word = text.starts_with(" w");
      tokens.push_back(special ? kBos : word ? kSpaceWord : static_cast<unsigned char>(text.front()));
      text.remove_prefix(special ? 3 : word ? 2 : 1);
    }
    return tokens;
  }
  std::string Piece(int32_t token, bool render_special) const override {
    if (token == kBos) return render_special ? "<s>" : "";
    return token == kSpaceWord ? " w" : std::string(1, static_cast<char>(token));
  }
  std::string NextPiece(int32_t token, bool render_special, text::DecodeState*) const override {
    return Piece(token, render_special);
  }
  std::string Decode(const std::vector<int32_t>& tokens, bool render_special) const override {
    std::string text;
    for (const int32_t token : tokens) text += Piece(token, render_special);
    return text;
  }
  int vocab_size() const override { return 301; }
  int32_t bos() const override { return kBos; }
  const std::vector<int32_t>& end_tokens() const override { return ends_; }
  int32_t Find(std::string_view) const override { return -1; }
  const text::SpecialTokens& special_tokens() const override { return special_tokens_; }
  const std::vector<std::string>& warnings() const override { return warnings_; }
  const text::ChatTemplateText& chat_template() const override { return template_; }

 private:
  const std::vector<int32_t> ends_ = {2};
  const text::SpecialTokens special_tokens_ = {};
  const std::vector<std::string> warnings_ = {};
  const text::ChatTemplateText template_ = {
      .text = "{% for m in messages %}{{ m['content'] }}{% endfor %}", .source = "here", .problem = ""};
};

ServedModel Model() {
  ServedModel model;
  model.id = "m";
  model.tokenizer = std::make_shared<ByteTokenizer>();
  model.chat = LoadChat(*model.tokenizer, "").value();
  model.limits.vocab_size = 301;
  return model;
}

boost::json::array Chat() { return {{{"role", "user"}, {"content", "a"}}}; }

TEST(ServedModel, SpecialTokensAreAddedWhereAskedForToTextAlone) {
  const ServedModel model = Model();
  EXPECT_THAT(*EncodePrompt(model, PromptInput("a"), true), ElementsAre(kBos, 'a'));
  EXPECT_THAT(*EncodePrompt(model, PromptInput("a"), false), ElementsAre('a'));
  EXPECT_THAT(*EncodePrompt(model, PromptInput(std::vector<int32_t>{7}), true), ElementsAre(7));
  EXPECT_THAT(*EncodeChat(model, Chat(), {}, false), ElementsAre('a'));
  EXPECT_THAT(*EncodeChat(model, Chat(), {}, true), ElementsAre(kBos, 'a'));
  EXPECT_FALSE(EncodePrompt(model, PromptInput(""), false));
}

std::string Tokens(const char* body) {
  const auto reply = TokenizeReply(Model(), boost::json::parse(body).as_object());
  return reply ? boost::json::serialize(reply->at("tokens")) : reply.error().message;
}

TEST(ServedModel, TokenizeAddsThemForTextAndNotForChatsByDefault) {
  EXPECT_EQ(Tokens(R"({"prompt":"a"})"), "[1,97]");
  EXPECT_EQ(Tokens(R"({"prompt":"a","add_special_tokens":false})"), "[97]");
  EXPECT_EQ(Tokens(R"({"content":"a","add_special":false})"), "[97]");
  EXPECT_EQ(Tokens(R"({"content":"a","add_special":true,"add_special_tokens":false})"), "[97]");
  EXPECT_EQ(Tokens(R"({"prompt":"<s>","add_special_tokens":false})"), "[1]");
  EXPECT_EQ(Tokens(R"({"prompt":"<s>","add_special_tokens":false,"parse_special":false})"), "[60,115,62]");
  EXPECT_EQ(Tokens(R"({"messages":[{"role":"user","content":"a"}]})"), "[97]");
  EXPECT_EQ(Tokens(R"({"messages":[{"role":"user","content":"a"}],"add_special_tokens":true})"), "[1,97]");
  EXPECT_THAT(Tokens(R"({"prompt":"a","with_pieces":true})"), HasSubstr("'return_token_strs'"));
  EXPECT_THAT(Tokens(R"({"prompt":"a","add_special_tokens":"no"})"), HasSubstr(R"(is "no")"));
  EXPECT_THAT(Tokens(R"({"messages":[{"role":"user","content":"a"}],"tools":[{"type":"function"}]})"),
              HasSubstr("'tools' is"));
}

std::string Text(const char* body) {
  const auto reply = DetokenizeReply(Model(), boost::json::parse(body).as_object());
  return reply ? std::string(reply->at("prompt").as_string()) : reply.error().message;
}

TEST(ServedModel, DetokenizeSkipsSpecialTokensWhereAskedTo) {
  EXPECT_EQ(Text(R"({"tokens":[1,97]})"), "<s>a");
  EXPECT_EQ(Text(R"({"tokens":[1,97],"skip_special_tokens":true})"), "a");
  EXPECT_THAT(Text(R"({"tokens":[301]})"), HasSubstr("[301], it must be a list of token ids in [0, 301)"));
  EXPECT_THAT(Text(R"({"tokens":"x"})"), HasSubstr(R"('tokens' is "x")"));
}

// As vLLM: behind a space too, where that is as many tokens and begins with another.
TEST(ServedModel, BadWordsAreSequencesOfTokens) {
  GenerationRequest request;
  request.bad_words = {"w", "wa", "ab", "<s>"};
  ASSERT_TRUE(EncodeBadWords(Model(), &request));
  EXPECT_THAT(request.sampling.bad_words,
              ElementsAre(ElementsAre('w'), ElementsAre(kSpaceWord), ElementsAre('w', 'a'),
                          ElementsAre(kSpaceWord, 'a'), ElementsAre('a', 'b'), ElementsAre(kBos)));
  request.bad_words.assign(5, std::string(1000, 'x'));
  EXPECT_THAT(EncodeBadWords(Model(), &request).error().message, HasSubstr("over 4096 tokens"));
  EXPECT_EQ(EncodeBadWords(Model(), &request).error().param, "bad_words");
}

}  // namespace
}  // namespace exeunt::coordinator
