// Tokenizer::FromHfDirectory reads tokenizer.json, and the special tokens and the chat template from the
// files beside it.
#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/json.h"
#include "base/mmap.h"
#include "text/hf_special_tokens.h"
#include "text/tokenizer_json.h"

namespace exeunt::text {
namespace {

constexpr size_t kMaxTokenizerBytes = size_t{256} << 20;

int32_t Find(const TokenizerParts& parts, const std::string& text) {
  const auto it = parts.added_ids.find(text);
  return it != parts.added_ids.end() ? it->second : parts.vocabulary->Find(text);
}

// Puts a token into the list if it is to be there, and removes it if not.
void Include(std::optional<bool> wanted, int32_t id, std::vector<int32_t>* ids) {
  if (!wanted || id < 0) return;
  const bool there = std::ranges::count(*ids, id) > 0;
  if (*wanted && !there) ids->push_back(id);
  if (!*wanted && there) std::erase(*ids, id);
}

void TakeSpecialTokens(const HfSpecialTokens& tokens, TokenizerParts* parts) {
  for (const auto& [name, text] : tokens.named) {
    if (text) parts->special_tokens.named[name] = *text;
  }
  parts->special_tokens.additional = tokens.additional;
  const auto id_of = [&](const char* name) {
    const std::string* const text = tokens.Text(name);
    return text == nullptr ? -1 : Find(*parts, *text);
  };
  const int32_t bos = id_of("bos_token");
  const int32_t eos = id_of("eos_token");
  Include(tokens.add_bos, bos, &parts->prefix);
  Include(tokens.add_eos, eos, &parts->suffix);
  parts->bos = bos;
  const bool by_id = !tokens.named.contains("bos_token") && !tokens.bos_ids.empty();
  if (by_id && tokens.bos_ids.front() >= 0) parts->bos = static_cast<int32_t>(tokens.bos_ids.front());
  parts->AddEnd(eos);
  for (const int64_t id : tokens.eos_ids) {
    if (id < 0) parts->warnings.push_back(fmt::format("eos_token_id {} is ignored: it is below 0", id));
    parts->AddEnd(static_cast<int32_t>(id));
  }
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> Tokenizer::FromHfDirectory(const std::string& directory,
                                                                    int embedding_rows) {
  const std::string tokenizer_path = directory + "/tokenizer.json";
  ASSIGN_OR_RETURN(const std::string text, ReadTextFile(tokenizer_path, kMaxTokenizerBytes));
  ASSIGN_OR_RETURN(const HfTokenFiles files, HfTokenFiles::Read(directory));
  ASSIGN_OR_RETURN(const HfSpecialTokens tokens, ReadHfSpecialTokens(files));
  auto parts = ReadTokenizerJson(text, tokens.added);
  if (!parts.has_value()) return Annotate(parts.error(), tokenizer_path);
  TakeSpecialTokens(tokens, &*parts);
  ASSIGN_OR_RETURN(parts->chat_template, ReadChatTemplateText(directory));
  const Status fits = FitToEmbedding(embedding_rows, &*parts);
  if (!fits.has_value()) return Annotate(fits.error(), directory);
  return std::shared_ptr<const Tokenizer>(std::make_shared<TokenizerPipeline>(std::move(parts).value()));
}

}  // namespace exeunt::text
