// The regular expressions of pretokenizer_names.cc, composed of the parts that families share. The sources
// are the models' tokenizer.json files or, if these are not available,
// https://github.com/ggml-org/llama.cpp/blob/master/src/llama-vocab.cpp
#pragma once

#include <string>
#include <string_view>

#include "text/pretokenizer_names.h"

namespace exeunt::text {

// Each expression is made of those before it.
struct PreTokenizerExpressions {
  const std::string gpt2{kGpt2Expression};
  const std::string digit = R"(\p{N})";
  const std::string digits3 = R"(\p{N}{1,3})";
  // Endings of English words, a sign before a word, and what follows words.
  const std::string contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
  const std::string lead = R"([^\r\n\p{L}\p{N}]?)";
  const std::string spaces = R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
  const std::string signs = R"(| ?[^\s\p{L}\p{N}]+[\r\n]*)" + spaces;

  const std::string llama3 = contractions + "|" + lead + R"(\p{L}+|\p{N}{1,3})" + signs;
  const std::string qwen2 = contractions + "|" + lead + R"(\p{L}+|\p{N})" + signs;
  const std::string ufakzeka = lead + R"(\p{L}+|\p{N})" + signs;
  const std::string mini_cpm5 = contractions + "|" + lead + R"(\p{L}+|\p{N}+)" + signs;
  const std::string qwen35 =
      contractions + "|" + lead + R"([\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)" + spaces;
  const std::string seed_coder =
      contractions + "|" + lead + R"(\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+)" + spaces;
  const std::string bailing =
      R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*)"
      R"(|\s*[\r\n]|\s+(?!\S)|\s+)";
  const std::string exaone_moe = contractions + "|" + lead + R"((?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N})" +
                                 R"(| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)";
  // White space by powers of two.
  const std::string jais2 =
      contractions + "|" + lead + R"(\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+)" +
      R"(|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S))" +
      R"(|\s{4}(?!\S)|\s{1,2}(?!\S)|\s)";

  // Words of mixed case break before their capitals. `upper` and `lower` match a letter. `end` may follow a
  // word.
  std::string CasedWords(const std::string& upper, const std::string& lower, const std::string& end) const {
    return lead + upper + "*" + lower + "+" + end + "|" + lead + upper + "+" + lower + "*" + end;
  }
  const std::string upper = R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])";
  const std::string lower = R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])";
  const std::string slash_signs = R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*)" + spaces;
  const std::string tekken = CasedWords(upper, lower, "") + R"(|\p{N})" + slash_signs;
  const std::string gpt4o = CasedWords(upper, lower, contractions + "?") + R"(|\p{N}{1,3})" + slash_signs;
  const std::string youtu_words = CasedWords(upper, lower, contractions + "?") + R"(|\p{N})" + slash_signs;
  // Ideographs are words of their own and not part of others.
  const std::string no_han = R"((?:(?!\p{sc:Han}))";
  const std::string kimi = R"(\p{sc:Han}+|)" +
                           CasedWords(no_han + upper + ")", no_han + lower + ")", contractions + "?") +
                           R"(|\p{N}{1,3})" + signs;

  // Digits in groups of three from the right.
  const std::string thousands = R"(\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N})))";
  const std::string word_thousands = R"(\p{Nd}{1,3}(?=(?:\p{Nd}{3})*\b))";
  const std::string bloom = R"( ?[^(\s|.,!?\x{2026}\x{3002}\x{FF0C}\x{3001}\x{964}\x{6D4}\x{60C})]+)";

  // An ASCII sign before a word, words with their marks, runs of signs.
  const std::string marked_words =
      R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+)";
  const std::string deepseek3 = marked_words + R"([\r\n]*)" + spaces;
  const std::string spark = marked_words + R"(|[\r\n]|\s+(?!\S)|\s+)";
  const std::string cjk = R"([\x{4E00}-\x{9FA5}\x{3040}-\x{30FF}]+)";
  const std::string afmoe_scripts =
      R"([\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{F900}-\x{FAFF}\x{3040}-\x{30FF}\x{FF65}-\x{FF9F})"
      R"(\x{2F00}-\x{2FDF}\x{E40}-\x{EFF}\x{1780}-\x{17FF}\x{1000}-\x{109F}\x{AA60}-\x{AA7F})"
      R"(\x{A9E0}-\x{A9FF}\x{AC00}-\x{D7AF}\x{1100}-\x{11FF}]+)";
  const std::string youtu_scripts =
      R"([\x{AC00}-\x{D7A3}\x{3131}-\x{318E}]+)"
      R"(|[\x{FF01}\x{2026}\x{201C}\x{201D}\x{2018}\x{2019}\x{2014}\x{FF1A}\x{FF1B}\x{FF0C})"
      R"(\x{3001}-\x{303F}\x{FE30}-\x{FE4F}]+|[\x{3105}-\x{312F}]+|)" +
      cjk;
};

// DeepSeek LLM lists the cased letters that it knows.
inline constexpr std::string_view kDeepseekLetters =
    R"(\s?[)"
    R"(\x{41}-\x{5A}\x{61}-\x{7A}\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF})"
    R"(\x{1C4}-\x{293}\x{295}-\x{2AF}\x{370}-\x{373}\x{376}-\x{377}\x{37B}-\x{37D}\x{37F})"
    R"(\x{386}\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1}\x{3A3}-\x{3F5}\x{3F7}-\x{481})"
    R"(\x{48A}-\x{52F}\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}\x{13F8}-\x{13FD})"
    R"(\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A})"
    R"(\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57})"
    R"(\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE})"
    R"(\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC})"
    R"(\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115})"
    R"(\x{2119}-\x{211D}\x{2124}\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139})"
    R"(\x{213C}-\x{213F}\x{2145}-\x{2149}\x{214E}\x{2183}-\x{2184}\x{2C00}-\x{2C7B})"
    R"(\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2}-\x{2CF3}\x{A640}-\x{A66D}\x{A680}-\x{A69B})"
    R"(\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06})"
    R"(\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F})"
    R"(\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2})"
    R"(\x{118A0}-\x{118DF}\x{1E900}-\x{1E943})"
    R"(]+)";
inline constexpr std::string_view kDeepseekPunctuation =
    R"(\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+)";
inline constexpr std::string_view kDeepseekIdeographs =
    R"([\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+)";

}  // namespace exeunt::text
