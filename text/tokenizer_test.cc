#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "text/testing/tokenizer_testing.h"

namespace exeunt::text {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The digest's ids: with special tokens added and parsed, -1, and with neither.
std::vector<int32_t> BothEncodings(const Tokenizer& tokenizer, std::vector<int32_t> with_special,
                                   const std::string& line) {
  with_special.push_back(-1);
  const std::vector<int32_t> plain = tokenizer.Encode(line, false, false);
  with_special.insert(with_special.end(), plain.begin(), plain.end());
  return with_special;
}

std::string Shown(const std::vector<int32_t>& ids) { return ::testing::PrintToString(ids).substr(0, 600); }

// `without`: lines with one of these texts are passed over.
void ExpectEqualToGolden(const Tokenizer& tokenizer, const std::string& golden, bool ids_only,
                         const std::vector<std::string>& without = {}) {
  const std::vector<std::string> lines = TokenizerCorpus();
  const std::vector<TokenizerDigest> digests = TokenizerDigests(golden, ids_only);
  ASSERT_GE(lines.size(), 10000U);
  ASSERT_EQ(lines.size(), digests.size());
  int wrong = 0;
  std::set<uint32_t> different;
  for (size_t i = 0; i < lines.size() && wrong < 10; ++i) {
    const auto in_line = [&](const std::string& text) { return lines[i].find(text) != std::string::npos; };
    if (std::ranges::any_of(without, in_line)) continue;
    const std::vector<int32_t> with_special = tokenizer.Encode(lines[i], true, true);
    const std::vector<int32_t> ids = BothEncodings(tokenizer, with_special, lines[i]);
    different.insert(FnvOfIds(ids));
    if (FnvOfIds(ids) != digests[i].ids) {
      ++wrong;
      ADD_FAILURE() << golden << " line " << i << ": " << ::testing::PrintToString(lines[i].substr(0, 300))
                    << "\n"
                    << Shown(ids);
      continue;
    }
    if (ids_only) continue;
    const std::string text =
        tokenizer.Decode(with_special, false) + '\0' + tokenizer.Decode(with_special, true);
    if (Fnv(text) != digests[i].text) {
      ++wrong;
      ADD_FAILURE() << golden << " line " << i << " decodes as "
                    << ::testing::PrintToString(text.substr(0, 600)) << "\n"
                    << ::testing::PrintToString(lines[i].substr(0, 300)) << Shown(ids);
    }
  }
  EXPECT_GT(different.size(), lines.size() / 2);  // the lines really differ
}

class Golden : public ::testing::TestWithParam<const char*> {};

TEST_P(Golden, EqualsTokenizersPackage) {
  ExpectEqualToGolden(*LoadTestTokenizer(GetParam()), GetParam(), false);
}

INSTANTIATE_TEST_SUITE_P(Families, Golden,
                         ::testing::Values("smollm2", "gpt2", "llama3", "qwen2", "llama2", "gemma", "mistral",
                                           "unigram", "precompiled"));

TEST(GgufTokenizer, NamedPreTokenizersEqualTheirTokenizerJson) {
  for (const auto& [pre, golden] :
       std::map<std::string, std::string>{{"gpt-2", "gpt2"},
                                          {"tekken", "pre_tekken"},
                                          {"default", "pre_default"},
                                          {"deepseek-llm", "pre_deepseek-llm"},
                                          {"deepseek-coder", "pre_deepseek-coder"}}) {
    auto tokenizer = Tokenizer::FromGguf(GgufOfTokenizerJson("gpt2", pre));
    ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().message;
    ExpectEqualToGolden(**tokenizer, golden, golden != "gpt2");
  }
  auto qwen2 = Tokenizer::FromGguf(GgufOfTokenizerJson("qwen2", "qwen2"));
  ASSERT_TRUE(qwen2.has_value()) << qwen2.error().message;
  ExpectEqualToGolden(**qwen2, "qwen2", false);
  GgufMetadata llama3 = GgufOfTokenizerJson("llama3", "llama-bpe");
  llama3.erase("tokenizer.ggml.add_bos_token");
  const auto& tokens = std::get<std::vector<std::string>>(llama3["tokenizer.ggml.tokens"]);
  const auto bos = std::find(tokens.begin(), tokens.end(), "<|begin_of_text|>") - tokens.begin();
  llama3["tokenizer.ggml.bos_token_id"] = int64_t{bos};
  auto with_bos = Tokenizer::FromGguf(llama3);
  ASSERT_TRUE(with_bos.has_value()) << with_bos.error().message;
  ExpectEqualToGolden(**with_bos, "llama3", false);
}

// The SentencePiece model that llama2/tokenizer.json was made from: the scores give the order of the merges.
GgufMetadata Llama2Gguf() {
  const std::vector<std::string> tokens = TokensOf(ReadTokenizerJson("llama2"));
  std::vector<double> scores;
  std::vector<int64_t> types;
  for (size_t id = 0; id < tokens.size(); ++id) {
    scores.push_back(id < 259 ? 0.0 : 259.0 - static_cast<double>(id));
    types.push_back(id == 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1);
  }
  return {{"tokenizer.ggml.model", std::string("llama")},
          {"tokenizer.ggml.tokens", tokens},
          {"tokenizer.ggml.scores", scores},
          {"tokenizer.ggml.token_type", types},
          {"tokenizer.ggml.bos_token_id", int64_t{1}},
          {"tokenizer.ggml.eos_token_id", int64_t{2}},
          {"tokenizer.ggml.unknown_token_id", int64_t{0}},
          {"tokenizer.ggml.pre", std::string("default")}};
}

TEST(GgufTokenizer, SentencePieceEqualsItsTokenizerJson) {
  auto tokenizer = Tokenizer::FromGguf(Llama2Gguf());
  ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().message;
  EXPECT_EQ((*tokenizer)->bos(), 1);
  // In a GGUF file these are control tokens, by their text.
  ExpectEqualToGolden(**tokenizer, "llama2", false,
                      {"<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<end_of_turn>"});
}

TEST(GgufTokenizer, EndTokensByTheirTextWhateverTheirType) {
  GgufMetadata metadata = Llama2Gguf();
  auto& tokens = std::get<std::vector<std::string>>(metadata.at("tokenizer.ggml.tokens"));
  const auto plain = static_cast<int32_t>(tokens.size());
  for (const char* text : {"<end_of_turn>", "[EOS]", "x"}) tokens.emplace_back(text);
  auto& types = std::get<std::vector<int64_t>>(metadata.at("tokenizer.ggml.token_type"));
  types.insert(types.end(), {1, 4, 4});  // normal, user-defined, user-defined
  std::get<std::vector<double>>(metadata.at("tokenizer.ggml.scores")).resize(tokens.size());
  const auto tokenizer = Tokenizer::FromGguf(metadata).value();
  EXPECT_THAT(tokenizer->end_tokens(), testing::IsSupersetOf({2, plain, plain + 1}));
  EXPECT_THAT(tokenizer->end_tokens(), testing::Not(testing::Contains(plain + 2)));
  EXPECT_EQ(tokenizer->Piece(plain, false), "");
  EXPECT_EQ(tokenizer->Piece(plain + 1, false), "");
  EXPECT_EQ(tokenizer->Piece(plain + 2, false), "x");
  EXPECT_THAT(tokenizer->warnings(), testing::Contains(HasSubstr("'<end_of_turn>' ends an answer")));
}

// llama.cpp's defaults for SentencePiece, and its way with an id of no token.
TEST(GgufTokenizer, IdsThatAreMissingOrOutside) {
  GgufMetadata metadata = Llama2Gguf();
  metadata.erase("tokenizer.ggml.bos_token_id");
  metadata.erase("tokenizer.ggml.eos_token_id");
  const auto defaults = Tokenizer::FromGguf(metadata).value();
  EXPECT_EQ(defaults->bos(), 1);
  EXPECT_EQ(defaults->end_tokens().front(), 2);
  EXPECT_EQ(defaults->special_tokens().named.at("bos_token"), "<s>");
  metadata["tokenizer.ggml.eot_token_id"] = int64_t{1 << 20};
  metadata["tokenizer.ggml.padding_token_id"] = int64_t{0};
  const auto outside = Tokenizer::FromGguf(metadata).value();
  EXPECT_THAT(outside->warnings(),
              testing::Contains(HasSubstr("tokenizer.ggml.eot_token_id 1048576 is ignored")));
  EXPECT_EQ(outside->special_tokens().named.at("pad_token"), "<unk>");
  EXPECT_THAT(Tokenizer::FromGguf(metadata, 1).error().message,
              HasSubstr("the tokenizer puts token 1 '<s>'"));
  metadata["tokenizer.ggml.add_bos_token"] = true;
  metadata["tokenizer.ggml.bos_token_id"] = int64_t{9999};
  EXPECT_THAT(Tokenizer::FromGguf(metadata).error().message,
              HasSubstr("add_bos_token is true, and tokenizer.ggml.bos_token_id is 9999: there are "));
}

TEST(GgufTokenizer, SmolLm2) {
  const auto tokenizer = LoadTestTokenizer("smollm2");
  EXPECT_EQ(tokenizer->vocab_size(), 49152);
  EXPECT_EQ(tokenizer->bos(), 1);
  EXPECT_THAT(tokenizer->end_tokens(), ElementsAre(2, 0, 4));
  EXPECT_EQ(tokenizer->Find("<|im_start|>"), 1);
  EXPECT_EQ(tokenizer->Find("no such token"), -1);
  EXPECT_THAT(tokenizer->chat_template().text, HasSubstr("You are a helpful AI assistant named SmolLM"));
  EXPECT_THAT(tokenizer->Encode("<|im_start|>user\nHi", true, true), ElementsAre(1, 4093, 198, 26843));
  EXPECT_GT(tokenizer->Encode("<|im_start|>user\nHi", true, false).size(), 4U);
  EXPECT_EQ(tokenizer->Piece(1, true), "<|im_start|>");
  EXPECT_EQ(tokenizer->Piece(1, false), "");
  EXPECT_EQ(tokenizer->Piece(-1, true), "");
  EXPECT_EQ(tokenizer->Piece(49152, true), "");
  EXPECT_THAT(tokenizer->Encode("", true, true), IsEmpty());
}

std::string ErrorOf(GgufMetadata metadata, const std::string& key, GgufValue value) {
  metadata["tokenizer.ggml." + key] = std::move(value);
  auto tokenizer = Tokenizer::FromGguf(metadata);
  return tokenizer.has_value() ? "" : tokenizer.error().message;
}

TEST(GgufTokenizer, ErrorsNameKeyAndValue) {
  const GgufMetadata good = GgufOfTokenizerJson("gpt2", "gpt-2");
  EXPECT_EQ(ErrorOf(good, "pre", std::string("gpt-2")), "");
  EXPECT_THAT(ErrorOf(good, "pre", std::string("nonsuch")),
              HasSubstr("tokenizer.ggml.pre: pre-tokenizer 'nonsuch'"));
  for (const std::string model :
       {"bert", "t5", "rwkv", "plamo2", "hybriddna", "none", "no_vocab", "whitespace"}) {
    EXPECT_THAT(ErrorOf(good, "model", model),
                HasSubstr("tokenizer.ggml.model is '" + model +
                          "', which no model of the architectures that are served"));
  }
  EXPECT_EQ(ErrorOf(good, "pre", std::string()), "");  // as llama.cpp: default
  EXPECT_THAT(ErrorOf(good, "merges", std::vector<std::string>{"ab"}),
              HasSubstr("tokenizer.ggml.merges[0] is 'ab'"));
  EXPECT_THAT(ErrorOf(good, "merges", std::vector<std::string>{"a \xC3\xA9\xC3\xA9"}),
              HasSubstr("not in the vocabulary"));
  EXPECT_THAT(ErrorOf(good, "tokens", std::string("x")),
              HasSubstr("tokenizer.ggml.tokens has the wrong type"));
  EXPECT_THAT(ErrorOf(good, "token_type", std::vector<int64_t>{1}),
              HasSubstr("has 1 entries for 1500 tokens"));
  EXPECT_THAT(ErrorOf(good, "eos_token_id", std::string("1")), HasSubstr("eos_token_id has the wrong type"));
  EXPECT_THAT(ErrorOf(good, "add_bos_token", int64_t{1}), HasSubstr("add_bos_token has the wrong type"));
  EXPECT_THAT(ErrorOf({}, "model", std::string("gpt2")), HasSubstr("tokenizer.ggml.tokens is missing"));
  EXPECT_THAT(ErrorOf(Llama2Gguf(), "scores", std::vector<double>{1.0}), HasSubstr("1 scores"));
}

// A Hugging Face directory of given files.
class HfDirectory : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(::testing::TempDir()) / (std::string("exeunt_tokenizer_") + test->name());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void Write(const std::string& name, const std::string& text) { std::ofstream(folder_ / name) << text; }
  auto Open() { return Tokenizer::FromHfDirectory(folder_.string()); }
  std::string ErrorOf(const std::string& tokenizer_json) {
    Write("tokenizer.json", tokenizer_json);
    auto tokenizer = Open();
    return tokenizer.has_value() ? "" : tokenizer.error().message;
  }
  std::filesystem::path folder_;
};

constexpr const char* kSmall =
    R"("model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"<s>":3,"</s>":4,"<e>":5},"merges":["a b"]},)"
    R"("added_tokens":[{"id":3,"content":"<s>","special":true},{"id":4,"content":"</s>","special":true}])";

TEST_F(HfDirectory, FilesBesideTokenizerJson) {
  Write("tokenizer.json", std::string("{") + kSmall + "}");
  auto alone = Open();
  ASSERT_TRUE(alone.has_value()) << alone.error().message;
  EXPECT_EQ((*alone)->bos(), -1);
  EXPECT_THAT((*alone)->end_tokens(), IsEmpty());
  EXPECT_THAT((*alone)->Encode("abab", true, true), ElementsAre(2, 2));
  EXPECT_EQ((*alone)->chat_template().text, "");

  Write(
      "tokenizer_config.json",
      R"({"bos_token":{"content":"<s>"},"eos_token":"</s>","add_bos_token":true,"chat_template":"from config"})");
  Write("generation_config.json", R"({"eos_token_id":[4,5]})");
  auto tokenizer = Open();
  ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().message;
  EXPECT_EQ((*tokenizer)->bos(), 3);
  EXPECT_THAT((*tokenizer)->end_tokens(), ElementsAre(4, 5));
  EXPECT_THAT((*tokenizer)->Encode("ab", true, true), ElementsAre(3, 2));
  EXPECT_EQ((*tokenizer)->chat_template().text, "from config");

  Write("chat_template.jinja", "from a file");
  EXPECT_EQ((*Open())->chat_template().text, "from a file");
}

TEST_F(HfDirectory, ErrorsNamePathAndValue) {
  EXPECT_THAT(Open().error().message, HasSubstr("tokenizer.json"));
  EXPECT_THAT(ErrorOf("{"), HasSubstr("not JSON"));
  EXPECT_THAT(ErrorOf("[]"), HasSubstr("not a JSON object"));
  EXPECT_THAT(ErrorOf("{}"), HasSubstr("model is missing"));
  EXPECT_THAT(ErrorOf(R"({"model":{"type":"WordPiece"}})"), HasSubstr("model.type 'WordPiece'"));
  EXPECT_THAT(ErrorOf(R"({"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}})"),
              HasSubstr("model.vocab['a'] is -1"));
  EXPECT_THAT(ErrorOf(R"({"model":{"type":"BPE","vocab":{"a":4194304},"merges":[]}})"),
              HasSubstr("below 4098"));
  EXPECT_THAT(ErrorOf(R"({"model":{"type":"BPE","vocab":{"a":0},"merges":["a b"]}})"),
              HasSubstr("'b' is not in"));
  EXPECT_THAT(ErrorOf(R"({"model":{"type":"BPE","vocab":{"a":0},"merges":["ab"]}})"),
              HasSubstr("model.merges[0]"));
  EXPECT_THAT(ErrorOf(R"({"model":{"type":"Unigram","vocab":[["a",-1]],"unk_id":1}})"),
              HasSubstr("unk_id 1"));
  const auto with = [&](const std::string& field) {
    return ErrorOf(std::string("{") + kSmall + "," + field + "}");
  };
  EXPECT_THAT(with(R"("normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Odd"}]})"),
              HasSubstr("normalizer.normalizers[1].type 'Odd'"));
  EXPECT_THAT(with(R"("pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a"},"behavior":"Isolated"})"),
              HasSubstr("pre_tokenizer.pattern: regular expression '(a'"));
  EXPECT_THAT(with(R"("pre_tokenizer":{"type":"Split","pattern":{"Regex":"a"},"behavior":"Odd"})"),
              HasSubstr("pre_tokenizer.behavior is 'Odd'"));
  EXPECT_THAT(with(R"("decoder":{"type":"CTC"})"), HasSubstr("decoder.type 'CTC'"));
  EXPECT_THAT(
      with(
          R"("decoder":{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Strip","content":" ","stop":1}]})"),
      HasSubstr("Strip (stop 1) after Fuse"));
  EXPECT_THAT(with(R"("post_processor":{"type":"Odd"})"), HasSubstr("post_processor.type 'Odd'"));
  EXPECT_THAT(with(R"("normalizer":{"type":"Precompiled","precompiled_charsmap":"AAAA"})"),
              HasSubstr("too short"));
}

TEST_F(HfDirectory, DepthOfJsonIsBounded) {
  EXPECT_THAT(ErrorOf(R"({"model":)" + std::string(100000, '[')), HasSubstr("not JSON"));
}

// A word of a megabyte takes n log n; an expression that backtracks without end is given up.
TEST_F(HfDirectory, HugeWordsAndHostileExpressionsEnd) {
  for (const char* name : {"gpt2", "llama2", "unigram", "precompiled"}) {
    const auto tokenizer = LoadTestTokenizer(name);
    EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(std::string(1 << 20, 'a'), false, true), false),
              std::string(1 << 20, 'a'))
        << name;
  }
  auto sentence_piece = Tokenizer::FromGguf(Llama2Gguf());
  EXPECT_GT((*sentence_piece)->Encode(std::string(1 << 20, ' '), false, true).size(), 1000U);
  Write("tokenizer.json",
        std::string("{") + kSmall +
            R"(,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a+)+$|b"},"behavior":"Isolated"}})");
  auto tokenizer = Open();
  ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().message;
  const std::string text = std::string(5000, 'a') + "c";
  EXPECT_EQ((*tokenizer)->Encode(text, false, true).size(), 5000U);
}

}  // namespace
}  // namespace exeunt::text
