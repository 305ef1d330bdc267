// Every name of tokenizer.ggml.pre that llama.cpp knows, against llama.cpp's own ids and those of the
// `tokenizers` package (make_llama_pre_goldens.py).
#include "text/pretokenizer_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "text/testing/tokenizer_testing.h"
#include "text/utf8.h"

namespace exeunt::text {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using Digests = std::vector<uint16_t>;  // one for each line that was taken; 0 where it is not UTF-8

struct Goldens {
  std::vector<std::string> lines;
  std::vector<std::vector<std::string>> names;  // lists of names that give the same ids in llama.cpp
  std::vector<Digests> llama;                   // [list]
  std::map<std::string, Digests> own;           // name to ids of the model's own expressions
};

Goldens ReadGoldens() {
  const std::string data = ReadGzip(TokenizerTestdata("llama_pre.golden.gz"));
  size_t at = data.find('\n') + 1;
  const boost::json::value head = boost::json::parse(data.substr(0, at));
  Goldens goldens;
  const auto corpus = TokenizerCorpus();
  for (size_t i = 0; i < corpus.size(); i += head.at("stride").to_number<size_t>()) {
    goldens.lines.push_back(corpus[i]);
  }
  const auto next = [&] {
    Digests digests(goldens.lines.size());
    for (uint16_t& digest : digests) {
      digest = static_cast<uint16_t>(static_cast<uint8_t>(data.at(at)) |
                                     (static_cast<uint8_t>(data.at(at + 1)) << 8));
      at += 2;
    }
    return digests;
  };
  for (const auto& list : head.at("llama").as_array()) {
    goldens.names.push_back(boost::json::value_to<std::vector<std::string>>(list));
    goldens.llama.push_back(next());
  }
  for (const auto& name : head.at("own").as_array()) goldens.own.emplace(name.as_string(), next());
  return goldens;
}

const Goldens& TheGoldens() {
  static const Goldens goldens = ReadGoldens();
  return goldens;
}

const std::set<std::string> kRaw = {"gemma4", "granite-embed-multi-311m", "sarvam-moe"};

std::shared_ptr<const Tokenizer> Make(const std::string& name) {
  auto tokenizer = Tokenizer::FromGguf(GgufOfTokenizerJson(kRaw.contains(name) ? "gemma" : "gpt2", name));
  EXPECT_TRUE(tokenizer.has_value()) << name << ": " << tokenizer.error().message;
  return tokenizer.has_value() ? *tokenizer : nullptr;
}

std::string Nfc(std::string text) {
  RegexScratch scratch;
  MakeUnicodeNormalizer(UnicodeForm::kNfc)->Apply(&text, &scratch);
  return text;
}

bool MayHoldAdded(const std::string& line) {
  return line.find_first_of("<[") != std::string::npos || line.find("day") != std::string::npos ||
         line.find("Day") != std::string::npos;
}

// How many of 1000 lines have other ids. Lines that are not compared: what is not UTF-8; what is not in NFC,
// which llama.cpp makes of no text; and, for vocabularies that hold such texts as tokens, those with a
// bracket.
double DifferentPerMille(const std::string& name, const Digests& digests) {
  const auto tokenizer = Make(name);
  if (tokenizer == nullptr) return 1000;
  int compared = 0;
  int different = 0;
  std::set<uint16_t> distinct;
  for (size_t i = 0; i < digests.size(); ++i) {
    const std::string& line = TheGoldens().lines[i];
    if (!IsWellFormed(line) || Nfc(line) != line) continue;
    if (kRaw.contains(name) && MayHoldAdded(line)) continue;
    const uint32_t hash = FnvOfIds(tokenizer->Encode(line, false, false));
    const auto folded = static_cast<uint16_t>((hash >> 16) ^ (hash & 0xFFFFU));
    ++compared;
    distinct.insert(digests[i]);
    different += folded == digests[i] ? 0 : 1;
  }
  EXPECT_GT(compared, 1500) << name;
  EXPECT_GT(static_cast<int>(distinct.size()), compared * 9 / 10) << name;  // the lines really differ
  return 1000.0 * different / compared;
}

// llama.cpp comes near to some models' expressions only: it sees no case and no marks of letters that are not
// ASCII (gpt-4o, tekken, kimi-k2, youtu), joins white space with the digits behind it (afmoe), splits digits
// where a word goes on behind them (tiny_aya), leaves numbers whole that the model splits (deepseek-llm), and
// matches ASCII's digits and white space only (superbpe, deepseek-coder). The limit is what was counted,
// rounded up.
double LimitPerMille(const std::string& name) {
  static const std::map<std::string, double> limits = {
      {"afmoe", 12},          {"cohere2moe", 30},   {"tiny_aya", 30},
      {"deepseek-coder", 10}, {"deepseek-llm", 70}, {"gpt-4o", 10},
      {"kanana2", 10},        {"llama4", 10},       {"minimax-m2", 10},
      {"talkie", 10},         {"kimi-k2", 25},      {"superbpe", 2},
      {"tekken", 10},         {"youtu", 20},        {"granite-embed-multi-97m", 1}};
  const auto limit = limits.find(name);
  return limit == limits.end() ? 0 : limit->second;
}

TEST(PreTokenizerNames, GiveLlamaCppsIds) {
  const Goldens& goldens = TheGoldens();
  size_t names = 0;
  for (size_t list = 0; list < goldens.names.size(); ++list) {
    for (const std::string& name : goldens.names[list]) {
      EXPECT_LE(DifferentPerMille(name, goldens.llama[list]), LimitPerMille(name)) << name;
      ++names;
    }
  }
  EXPECT_GE(names, size_t{80});
}

// Where llama.cpp is only near, the model's own expressions decide: goldens of the `tokenizers` package.
// Those of tekken, deepseek-llm and deepseek-coder are tokenizer_test.cc's.
TEST(PreTokenizerNames, GiveTheIdsOfTheModelsOwnExpressions) {
  EXPECT_GE(TheGoldens().own.size(), size_t{6});
  for (const auto& [name, digests] : TheGoldens().own) EXPECT_EQ(DifferentPerMille(name, digests), 0) << name;
}

TEST(PreTokenizerNames, AllOfLlamaCppsAreMade) {
  const std::vector<std::string_view> made = NamesOfPreTokenizers();
  EXPECT_TRUE(std::ranges::is_sorted(made));
  EXPECT_EQ(std::ranges::adjacent_find(made), made.end());
  std::vector<std::string_view> known;
  for (const auto& list : TheGoldens().names) known.insert(known.end(), list.begin(), list.end());
  EXPECT_THAT(made, IsSupersetOf(known));
}

// llama-vocab.cpp: load().
TEST(PreTokenizerNames, SomeBeginTextsWithTheFirstToken) {
  const std::set<std::string_view> with_bos = {"llama3",
                                               "llama-v3",
                                               "llama-bpe",
                                               "falcon3",
                                               "falcon-h1",
                                               "pixtral",
                                               "midm-2.0",
                                               "lfm2",
                                               "tekken",
                                               "jina-v5-nano",
                                               "gemma4",
                                               "chameleon",
                                               "granite-embed-multi-311m"};
  for (const std::string_view name : NamesOfPreTokenizers()) {
    EXPECT_EQ(MakeNamedPreTokenizer(name)->add_bos, with_bos.contains(name)) << name;
  }
}

TEST(PreTokenizerNames, ErrorsSayWhatIsKnown) {
  EXPECT_THAT(MakeNamedPreTokenizer("nonsuch").error().message,
              HasSubstr("pre-tokenizer 'nonsuch' is unknown; known are a.x-4.0, afmoe, "));
  EXPECT_THAT(MakeNamedPreTokenizer("").error().message, HasSubstr("pre-tokenizer '' is unknown"));
  EXPECT_THAT(MakeNamedPreTokenizer("whitespace").error().message, HasSubstr("is of encoders"));
}

// SentencePiece's way of writing in a file of byte-pair merges: spaces come back, and so do bytes.
TEST(PreTokenizerNames, RawTextsComeBack) {
  for (const std::string& name : kRaw) {
    const auto tokenizer = Make(name);
    ASSERT_NE(tokenizer, nullptr);
    for (const char* text :
         {"two  words", " leading", "tab\tand\nnew\n\nlines", "\xE2\x98\x83 \xF0\x9F\x8F\xB3"}) {
      EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text, false, false), true), text) << name;
    }
  }
}

}  // namespace
}  // namespace exeunt::text
