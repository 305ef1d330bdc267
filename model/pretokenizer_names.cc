#include "model/pretokenizer_names.h"

#include "base/error.h"

namespace exeunt {
namespace {

constexpr std::string_view kLlama3Expression =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2Expression =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTekkenExpression =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt4oExpression =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// DeepSeek LLM spells out the cased letters that it knows.
constexpr std::string_view kDeepseekLetters =
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
constexpr std::string_view kDeepseekPunctuation =
    R"(\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+)";
constexpr std::string_view kDeepseekIdeographs = R"([\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+)";

struct Entry {
  std::string_view name;
  std::vector<std::string_view> expressions;  // each splits what the one before left
  bool nfc = false;
  bool ignore_merges = false;
  bool add_bos = false;
};

const std::vector<Entry>& Entries() {
  static const std::vector<Entry> entries = [] {
    const std::vector<std::string_view> gpt2 = {kGpt2Expression};
    const std::vector<std::string_view> digits_gpt2 = {R"(\p{N})", kGpt2Expression};
    const std::vector<std::string_view> llama3 = {kLlama3Expression};
    const std::vector<std::string_view> qwen2 = {kQwen2Expression};
    const std::vector<std::string_view> standard = {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2Expression, R"(\p{N}+)",
                                                    R"([0-9][0-9][0-9])"};
    const std::vector<std::string_view> falcon = {R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2Expression,
                                                  R"([0-9][0-9][0-9])"};
    const std::vector<std::string_view> deepseek_llm = {
        R"([\r\n])", kDeepseekLetters, kDeepseekPunctuation, R"(\s+$)", kDeepseekIdeographs, R"(\p{N})"};
    const std::vector<std::string_view> deepseek_coder = {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)",
                                                          kDeepseekIdeographs, R"(\p{N})"};
    return std::vector<Entry>{
        {"default", standard},
        {"gpt-2", gpt2},
        {"gpt2", gpt2},
        {"phi-2", gpt2},
        {"mpt", gpt2},
        {"olmo", gpt2},
        {"jais", gpt2},
        {"gigachat", gpt2},
        {"falcon", falcon},
        {"smollm", digits_gpt2},
        {"starcoder", digits_gpt2},
        {"refact", digits_gpt2},
        {"command-r", digits_gpt2, true},
        {"codeshell", digits_gpt2},
        {"exaone", digits_gpt2, true},
        {"minerva", digits_gpt2},
        {"minerva-7b", digits_gpt2},
        {"llama3", llama3, false, true, true},
        {"llama-v3", llama3, false, true, true},
        {"llama-bpe", llama3, false, true, true},
        {"falcon3", llama3, false, true, true},
        {"smaug-bpe", llama3},
        {"dbrx", llama3},
        {"chatglm-bpe", llama3},
        {"qwen2", qwen2, true},
        {"deepseek-r1-qwen", qwen2, true},
        {"stablelm2", qwen2, true},
        {"tekken", {kTekkenExpression}, false, true, true},
        {"gpt-4o", {kGpt4oExpression}},
        {"llama4", {kGpt4oExpression}},
        {"deepseek-llm", deepseek_llm},
        {"deepseek-coder", deepseek_coder},
    };
  }();
  return entries;
}

}  // namespace

Result<NamedPreTokenizer> MakeNamedPreTokenizer(std::string_view name) {
  for (const Entry& entry : Entries()) {
    if (entry.name != name) continue;
    NamedPreTokenizer result;
    result.ignore_merges = entry.ignore_merges;
    result.add_bos = entry.add_bos;
    if (entry.nfc) result.normalizers.push_back(MakeUnicodeNormalizer(UnicodeForm::kNfc));
    for (const std::string_view expression : entry.expressions) {
      ASSIGN_OR_RETURN(Regex regex, Regex::Compile(expression));
      result.steps.push_back(MakeSplit(std::move(regex), SplitBehavior::kIsolated, false));
    }
    result.steps.push_back(MakeByteLevel(false, nullptr));
    return result;
  }
  return InvalidArgument("pre-tokenizer '{}' is unknown", name);
}

}  // namespace exeunt
