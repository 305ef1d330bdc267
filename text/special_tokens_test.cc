// Special tokens of Hugging Face directories against transformers (testdata/make_special_token_goldens.py),
// and the rules that a model's embedding adds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <sstream>

#include "base/testing/temp_dir.h"
#include "text/end_of_generation.h"
#include "text/tokenizer.h"

namespace exeunt::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
namespace json = boost::json;

const json::object& Goldens() {
  static const json::value goldens = [] {
    std::ifstream file(EXEUNT_SOURCE_DIR "/text/testdata/special_tokens.json");
    std::stringstream text;
    text << file.rdbuf();
    return json::parse(text.str());
  }();
  return goldens.get_object();
}

std::vector<int32_t> Ids(const json::value& list) { return json::value_to<std::vector<int32_t>>(list); }

// The shared tokenizer.json (13 tokens), and the given files beside it.
class Directory {
 public:
  explicit Directory(const json::object& files) {
    Write("tokenizer.json", Goldens().at("tokenizer.json"));
    for (const auto& [name, content] : files) Write(std::string(name), content);
  }
  auto Open(int rows = Tokenizer::kAnyRows) const { return Tokenizer::FromHfDirectory(temp_ / ".", rows); }

 private:
  void Write(const std::string& name, const json::value& content) {
    std::ofstream(temp_ / name) << json::serialize(content);
  }
  TempDir temp_;
};

std::shared_ptr<const Tokenizer> Opened(const char* files, int rows = Tokenizer::kAnyRows) {
  auto tokenizer = Directory(json::parse(files).as_object()).Open(rows);
  EXPECT_TRUE(tokenizer.has_value()) << tokenizer.error().message;
  return tokenizer.has_value() ? *tokenizer : nullptr;
}

std::string ErrorOf(const char* files, int rows = Tokenizer::kAnyRows) {
  auto tokenizer = Directory(json::parse(files).as_object()).Open(rows);
  return tokenizer.has_value() ? "" : tokenizer.error().message;
}

TEST(SpecialTokens, AsTransformersHasThem) {
  const json::array& cases = Goldens().at("cases").as_array();
  ASSERT_GE(cases.size(), 25U);
  for (const json::value& entry : cases) {
    const json::object& golden = entry.as_object();
    SCOPED_TRACE(golden.at("name").as_string().c_str());
    auto tokenizer = Directory(golden.at("files").as_object()).Open();
    ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().message;
    const SpecialTokens& tokens = (*tokenizer)->special_tokens();
    EXPECT_EQ(json::value_from(tokens.named), golden.at("named"));
    EXPECT_EQ(json::value_from(tokens.additional), golden.at("additional"));
    for (const json::value& line : golden.at("texts").as_array()) {
      const std::string text(line.at("text").as_string());
      const std::vector<int32_t> ids = (*tokenizer)->Encode(text, true, true);
      EXPECT_EQ(ids, Ids(line.at("ids"))) << text;
      EXPECT_EQ((*tokenizer)->Encode(text, false, true), Ids(line.at("bare"))) << text;
      EXPECT_EQ((*tokenizer)->Decode(ids, false), std::string(line.at("shown").as_string())) << text;
    }
  }
}

TEST(SpecialTokens, EndTokensOfAllFilesAreJoined) {
  constexpr const char* kName = R"({"tokenizer_config.json": {"eos_token": "</s>"})";
  const auto ends = [&](const std::string& more) {
    return Opened((kName + more + "}").c_str())->end_tokens();
  };
  EXPECT_THAT(ends(""), ElementsAre(10));
  EXPECT_THAT(ends(R"(, "config.json": {"eos_token_id": [1, 4]})"), ElementsAre(10, 1, 4));
  EXPECT_THAT(
      ends(R"(, "generation_config.json": {"eos_token_id": 7}, "config.json": {"eos_token_id": [1, 7]})"),
      ElementsAre(10, 7, 1));
  // A null is a value: it hides what config.json says.
  EXPECT_THAT(
      ends(R"(, "generation_config.json": {"eos_token_id": null}, "config.json": {"eos_token_id": 1})"),
      ElementsAre(10));
  // An id that the tokenizer does not know, in an embedding that is larger.
  EXPECT_THAT(ends(R"(, "config.json": {"eos_token_id": 99})"), ElementsAre(10, 99));
  EXPECT_THAT(Opened(R"({"config.json": {"eos_token_id": 3}})")->end_tokens(), ElementsAre(3));
}

TEST(SpecialTokens, ABeginTokenByItsIdIsUsedWhereNoFileNamesOne) {
  EXPECT_EQ(Opened(R"({"config.json": {"bos_token_id": 9}})")->bos(), 9);
  EXPECT_EQ(
      Opened(R"({"config.json": {"bos_token_id": 9}, "generation_config.json": {"bos_token_id": 2}})")->bos(),
      2);
  EXPECT_EQ(
      Opened(R"({"config.json": {"bos_token_id": 9}, "generation_config.json": {"bos_token_id": null}})")
          ->bos(),
      -1);
  EXPECT_EQ(
      Opened(R"({"config.json": {"bos_token_id": 9}, "tokenizer_config.json": {"bos_token": null}})")->bos(),
      -1);
  EXPECT_EQ(
      Opened(R"({"config.json": {"bos_token_id": 2}, "tokenizer_config.json": {"bos_token": "<s>"}})")->bos(),
      9);
  EXPECT_THAT(Opened(R"({"config.json": {"bos_token_id": 9}})")->special_tokens().named, IsEmpty());
}

// A list in newer files; the names of an object are in the goldens.
TEST(SpecialTokens, ExtraTokensMayBeAList) {
  const auto listed = Opened(R"({"tokenizer_config.json": {"extra_special_tokens": ["<x>", "<y>"]}})");
  EXPECT_THAT(listed->special_tokens().additional, ElementsAre("<x>", "<y>"));
  EXPECT_THAT(listed->Encode("<y><x>", false, true), ElementsAre(14, 13));
}

TEST(SpecialTokens, WrongValuesAreNamed) {
  EXPECT_THAT(ErrorOf(R"({"config.json": {"eos_token_id": "x"}})"),
              HasSubstr(R"(config.json: eos_token_id is "x")"));
  EXPECT_THAT(ErrorOf(R"({"generation_config.json": {"bos_token_id": true}})"),
              HasSubstr("generation_config.json: bos_token_id is true"));
  EXPECT_THAT(ErrorOf(R"({"config.json": {"eos_token_id": 4194304}})"), HasSubstr("ids below 4194304"));
  EXPECT_THAT(ErrorOf(R"({"tokenizer_config.json": {"bos_token": 7}})"),
              HasSubstr("tokenizer_config.json: bos_token is 7"));
  EXPECT_THAT(ErrorOf(R"({"tokenizer_config.json": {"added_tokens_decoder": {"x": {"content": "a"}}}})"),
              HasSubstr("added_tokens_decoder has the key 'x'"));
  EXPECT_THAT(ErrorOf(R"({"added_tokens.json": {"<a>": -1}})"), HasSubstr("added_tokens.json: '<a>' is -1"));
  EXPECT_THAT(ErrorOf(R"({"special_tokens_map.json": {"additional_special_tokens": 1}})"),
              HasSubstr("additional_special_tokens is 1"));
  const auto negative = Opened(R"({"config.json": {"eos_token_id": -1}})");
  EXPECT_THAT(negative->end_tokens(), IsEmpty());
  EXPECT_THAT(negative->warnings(), ElementsAre(HasSubstr("eos_token_id -1 is ignored")));
}

// The shared tokenizer has ids 0 to 12.
TEST(SpecialTokens, IdsOutsideTheEmbeddingAreDroppedOrRefused) {
  const auto ends = Opened(
      R"({"tokenizer_config.json": {"eos_token": "</s>", "bos_token": "<v>"}, "config.json": {"eos_token_id": [3, 500]}})",
      10);
  EXPECT_THAT(ends->end_tokens(), ElementsAre(3));
  EXPECT_EQ(ends->bos(), -1);
  EXPECT_THAT(
      ends->warnings(),
      ElementsAre(HasSubstr("begin token 12 '<v>' is ignored: the model's embedding has 10 rows"),
                  HasSubstr("end token 10 '</s>' is ignored"), HasSubstr("end token 500 is ignored"),
                  HasSubstr("3 tokens cannot be used, since the model's embedding has 10 rows: 10 '</s>', "
                            "11 '<unk>', 12 '<v>'")));
  EXPECT_THAT(
      ErrorOf(R"({"tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer"}})", 9),
      HasSubstr("the tokenizer puts token 9 '<s>' around each text; the model's embedding has 9 rows"));
  EXPECT_THAT(ErrorOf(R"({"tokenizer_config.json": {"eos_token": "[END]", "add_eos_token": true}})", 13),
              HasSubstr("the tokenizer puts token 13 '[END]' around each text"));
  EXPECT_THAT(Opened("{}", 13)->warnings(), IsEmpty());
  EXPECT_THAT(Opened("{}", 12)->warnings(), ElementsAre(HasSubstr("1 tokens cannot be used")));
}

TEST(EndOfGeneration, ByTextAsLlamaCpp) {
  const auto ends = [](std::vector<std::string> texts) {
    return EndsOfGeneration(Vocabulary::Make(std::move(texts)).value());
  };
  EXPECT_THAT(ends({"a", "<|eot_id|>", "<|im_end|>", "<|im_start|>"}), ElementsAre(2, 1));
  EXPECT_THAT(ends({"<eos>", "</s>", "[EOT]"}), ElementsAre(1, 2, 0));
  EXPECT_THAT(ends({"<|end|>", "<|return|>"}), ElementsAre(0, 1));
  // Where a message has parts, "<|end|>" ends a part.
  EXPECT_THAT(ends({"<|end|>", "<|return|>", "<|call|>"}), ElementsAre(1, 2));
  EXPECT_THAT(ends({"<|end|>", "<|flush|>", "<|calls|>"}), ElementsAre(1, 2));
  EXPECT_THAT(ends({"</s>", "<|tool_response>"}), ElementsAre(1));
  EXPECT_THAT(ends({"a"}), IsEmpty());
}

}  // namespace
}  // namespace exeunt::text
