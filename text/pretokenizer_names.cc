#include "text/pretokenizer_names.h"

#include <algorithm>

#include "base/error.h"
#include "text/pretokenizer_expressions.h"

namespace exeunt::text {
namespace {

using Names = std::vector<std::string_view>;

// The meaning of the names in tokenizer.ggml.pre.
struct Entry {
  Names names;
  std::vector<std::string> expressions;  // each splits the pieces of the one before
  bool nfc = false;
  bool ignore_merges = false;
  bool add_bos = false;
  bool raw = false;  // tokens are UTF-8 with U+2581 for a space, not GPT-2's characters for bytes
};

// Adds families with GPT-2's words.
void AddGpt2(const PreTokenizerExpressions& e, std::vector<Entry>* entries) {
  const Names gpt2 = {"gpt-2",       "gpt2",         "phi-2",   "mpt",         "olmo",
                      "jais",        "gigachat",     "jina-es", "jina-de",     "jina-v2-es",
                      "jina-v2-de",  "a.x-4.0",      "mellum",  "modern-bert", "jina-v1-en",
                      "roberta-bpe", "jina-v2-code", "exaone4", "trillion",    "granite-docling"};
  entries->push_back({gpt2, {e.gpt2}});
  entries->push_back({{"default"}, {R"([\p{P}\$\+<=>\^~\|]+)", e.gpt2, R"(\p{N}+)", R"([0-9][0-9][0-9])"}});
  entries->push_back({{"falcon"}, {R"([\p{P}\$\+<=>\^~\|`]+)", e.gpt2, R"([0-9][0-9][0-9])"}});
  const Names digits = {"smollm", "starcoder", "refact", "codeshell", "minerva", "minerva-7b", "mellum2"};
  entries->push_back({digits, {e.digit, e.gpt2}});
  entries->push_back({{"command-r", "exaone"}, {e.digit, e.gpt2}, true});
  entries->push_back({{"chameleon"},
                      {"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", R"(([\t\n]|    |  ))",
                       e.digit, R"([\p{P}!-/:-@\[-`{-~])", e.gpt2},
                      false,
                      false,
                      true});
}

// Adds families whose words may have a sign in front.
void AddLlama3(const PreTokenizerExpressions& e, std::vector<Entry>* entries) {
  const Names llama3 = {"llama3",  "llama-v3", "llama-bpe", "falcon3",     "falcon-h1",
                        "pixtral", "midm-2.0", "lfm2",      "jina-v5-nano"};
  entries->push_back({llama3, {e.llama3}, false, true, true});
  entries->push_back({{"smaug-bpe", "dbrx", "chatglm-bpe"}, {e.llama3}});
  entries->push_back({{"glm4", "glm5"}, {e.llama3}, false, true});
  entries->push_back({{"jais-2"}, {e.jais2}});
  entries->push_back({{"minicpm5"}, {e.digits3, e.mini_cpm5}, false, true});
  const Names qwen2 = {"qwen2", "deepseek-r1-qwen", "stablelm2", "kormo", "f2llmv2", "megrez"};
  entries->push_back({qwen2, {e.qwen2}, true});
  entries->push_back({{"hunyuan", "solar-open", "grok-2"}, {e.qwen2}});
  entries->push_back({{"qwen35"}, {e.qwen35}, true});
  entries->push_back({{"ufakzeka"}, {e.ufakzeka}});
  entries->push_back({{"seed-coder"}, {e.seed_coder}});
  entries->push_back({{"bailingmoe", "bailingmoe2", "llada-moe"}, {e.bailing}});
  entries->push_back({{"exaone-moe"}, {e.exaone_moe}});
  entries->push_back({{"laguna"}, {R"([^\n]+|\n+)", e.qwen2}});
}

void AddOthers(const PreTokenizerExpressions& e, std::vector<Entry>* entries) {
  entries->push_back({{"tekken"}, {e.tekken}, false, true, true});
  entries->push_back({{"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"}, {e.gpt4o}});
  entries->push_back({{"granite-embed-multi-97m"}, {e.gpt4o}, false, true});
  entries->push_back({{"tiny_aya", "cohere2moe"}, {e.word_thousands, e.gpt4o}});
  entries->push_back({{"kimi-k2"}, {e.kimi}});
  const std::string letters(kDeepseekLetters), punctuation(kDeepseekPunctuation),
      ideographs(kDeepseekIdeographs);
  entries->push_back({{"deepseek-llm"}, {R"([\r\n])", letters, punctuation, R"(\s+$)", ideographs, e.digit}});
  entries->push_back(
      {{"deepseek-coder"}, {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", ideographs, e.digit}});
  entries->push_back(
      {{"deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"}, {e.digits3, e.cjk, e.deepseek3}});
  entries->push_back({{"spark2_5"}, {e.digits3, e.cjk, e.spark, e.digit}});
  entries->push_back({{"youtu"}, {e.youtu_scripts, e.youtu_words}, false, true});
  entries->push_back({{"afmoe"}, {e.thousands, e.afmoe_scripts, e.deepseek3}});
  entries->push_back({{"superbpe"}, {R"(\p{N}+)", R"((?=(\d{3})+(?!\d)))"}});
  entries->push_back({{"poro-chat", "bloom", "gpt3-finnish"}, {e.bloom}});
  entries->push_back({{"viking"}, {e.bloom, e.digit}});
  const std::string lines = R"([^\n]+|\n+)";
  entries->push_back({{"gemma4", "granite-embed-multi-311m"}, {lines}, false, false, true, true});
  entries->push_back({{"sarvam-moe"}, {lines}, false, false, false, true});
}

const std::vector<Entry>& Entries() {
  static const std::vector<Entry> entries = [] {
    const PreTokenizerExpressions e;
    std::vector<Entry> all;
    AddGpt2(e, &all);
    AddLlama3(e, &all);
    AddOthers(e, &all);
    return all;
  }();
  return entries;
}

Result<NamedPreTokenizer> Make(const Entry& entry) {
  NamedPreTokenizer result;
  result.ignore_merges = entry.ignore_merges;
  result.add_bos = entry.add_bos;
  result.raw = entry.raw;
  if (entry.nfc) result.normalizers.push_back(MakeUnicodeNormalizer(UnicodeForm::kNfc));
  for (const std::string& expression : entry.expressions) {
    ASSIGN_OR_RETURN(Regex regex, Regex::Compile(expression));
    result.steps.push_back(MakeSplit(std::move(regex), SplitBehavior::kIsolated, false));
  }
  if (!entry.raw) result.steps.push_back(MakeByteLevel(false, nullptr));
  return result;
}

}  // namespace

Result<NamedPreTokenizer> MakeNamedPreTokenizer(std::string_view name) {
  for (const Entry& entry : Entries()) {
    if (std::ranges::find(entry.names, name) != entry.names.end()) return Make(entry);
  }
  if (name == "whitespace") {
    return Unimplemented(
        "pre-tokenizer 'whitespace' is of encoders (jina-embeddings-v2-base-zh), which are not served");
  }
  return InvalidArgument("pre-tokenizer '{}' is unknown; known are {}", name,
                         fmt::join(NamesOfPreTokenizers(), ", "));
}

std::vector<std::string_view> NamesOfPreTokenizers() {
  std::vector<std::string_view> names;
  for (const Entry& entry : Entries()) names.insert(names.end(), entry.names.begin(), entry.names.end());
  std::ranges::sort(names);
  return names;
}

}  // namespace exeunt::text
