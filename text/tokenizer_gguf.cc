// Tokenizer::FromGguf reads the keys tokenizer.ggml.* of a GGUF file, as llama.cpp writes them.
#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/quoted.h"
#include "text/bpe.h"
#include "text/end_of_generation.h"
#include "text/pretokenizer_names.h"
#include "text/sentencepiece_bpe.h"
#include "text/tokenizer_pipeline.h"
#include "text/utf8.h"

namespace exeunt::text {
namespace {

constexpr std::string_view kMetaspace = "\xE2\x96\x81";  // U+2581

// tokenizer.ggml.token_type
enum TokenType : int64_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

std::string Key(std::string_view name) { return fmt::format("tokenizer.ggml.{}", name); }

template <typename T>
Result<const T*> Required(const GgufMetadata& metadata, std::string_view name) {
  const std::string key = Key(name);
  const T* value = FindGguf<T>(metadata, key);
  if (value != nullptr) return value;
  if (metadata.contains(key)) return InvalidArgument("{} has the wrong type", key);
  return NotFound("{} is missing", key);
}

template <typename T>
Result<T> Optional(const GgufMetadata& metadata, std::string_view name, T otherwise) {
  const std::string key = Key(name);
  if (!metadata.contains(key)) return otherwise;
  const T* value = FindGguf<T>(metadata, key);
  if (value == nullptr) return InvalidArgument("{} has the wrong type", key);
  return *value;
}

struct GgufTokenizer {
  const GgufMetadata& metadata;
  std::vector<std::string> tokens = {};
  std::vector<int64_t> types = {};
  std::vector<int32_t> ends_by_text = {};
  TokenizerParts parts = {};

  // Returns the token whose id `name` gives. Returns `otherwise` if the key is missing or names no token of
  // the file. The latter is a warning, as in llama.cpp.
  Result<int32_t> Id(std::string_view name, int32_t otherwise = -1) {
    ASSIGN_OR_RETURN(const int64_t id, Optional<int64_t>(metadata, name, otherwise));
    if (id >= -1 && id < static_cast<int64_t>(tokens.size())) return static_cast<int32_t>(id);
    if (metadata.contains(Key(name))) {
      parts.warnings.push_back(
          fmt::format("{} {} is ignored: there are {} tokens", Key(name), id, tokens.size()));
    }
    return -1;
  }
  bool IsSpecial(size_t id) const { return types[id] == kControl || types[id] == kUnknown; }

  Status ReadTokens();
  void FindEndTokens();
  Status ReadByteLevelBpe(const std::string& model, bool* add_bos);
  Status ReadSentencePieceBpe();
  Status ReadMetaspaces(bool add_space_prefix);
  Status ReadDecoding(const std::vector<DecoderStep>& steps);
  Status ReadSpecialTokens(bool add_bos_default);
  Status NameSpecialTokens(int32_t eos);
  Error CannotAdd(std::string_view flag, std::string_view id) const;
};

Status GgufTokenizer::ReadTokens() {
  ASSIGN_OR_RETURN(const auto* texts, Required<std::vector<std::string>>(metadata, "tokens"));
  tokens = *texts;
  types.assign(tokens.size(), kNormal);
  if (metadata.contains(Key("token_type"))) {
    ASSIGN_OR_RETURN(const auto* given, Required<std::vector<int64_t>>(metadata, "token_type"));
    if (given->size() != tokens.size()) {
      return DataLoss("{} has {} entries for {} tokens", Key("token_type"), given->size(), tokens.size());
    }
    types = *given;
  }
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (!IsWellFormed(tokens[id])) return DataLoss("{}[{}] is not UTF-8", Key("tokens"), id);
  }
  ASSIGN_OR_RETURN(Vocabulary vocabulary, Vocabulary::Make(tokens));
  parts.vocabulary = std::make_shared<const Vocabulary>(std::move(vocabulary));
  FindEndTokens();
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (!IsSpecial(id) && types[id] != kUserDefined) continue;
    if (tokens[id].empty()) continue;
    RETURN_IF_ERROR(parts.added.Add(
        {.id = static_cast<int32_t>(id), .text = tokens[id], .special = types[id] != kUserDefined}));
  }
  return OkStatus();
}

// Tokens that end an answer by their text are control tokens, whatever type the file gives them.
void GgufTokenizer::FindEndTokens() {
  const Vocabulary& vocabulary = *parts.vocabulary;
  ends_by_text = EndsOfGeneration(vocabulary);
  for (const int32_t id : ends_by_text) {
    int64_t& type = types[static_cast<size_t>(id)];
    if (type == kControl) continue;
    parts.warnings.push_back(
        fmt::format("token {} {} ends an answer, though the file does not call it a control token", id,
                    Quoted(vocabulary.Text(id))));
    type = kControl;
  }
}

Status GgufTokenizer::ReadByteLevelBpe(const std::string& model, bool* add_bos) {
  ASSIGN_OR_RETURN(std::string name, Optional<std::string>(metadata, "pre", "default"));
  if (name.empty()) name = "default";
  if (model == "gemma4") name = model;
  auto named = MakeNamedPreTokenizer(name);
  if (!named.has_value()) return Annotate(named.error(), Key("pre"));
  parts.normalizers = std::move(named->normalizers);
  parts.pre_tokenizers = std::move(named->steps);
  *add_bos = named->add_bos;
  ASSIGN_OR_RETURN(const auto* lines, Required<std::vector<std::string>>(metadata, "merges"));
  if (lines->size() > static_cast<size_t>(kMaxVocabulary)) {
    return InvalidArgument("{} has {} entries: at most {}", Key("merges"), lines->size(), kMaxVocabulary);
  }
  std::vector<std::pair<std::string, std::string>> merges;
  merges.reserve(lines->size());
  for (const std::string& line : *lines) {
    const size_t space = line.find(' ', 1);
    if (space == std::string::npos) {
      return DataLoss("{}[{}] is '{}': two tokens are needed", Key("merges"), merges.size(), line);
    }
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  auto bpe = Bpe::Make(parts.vocabulary, merges,
                       {.byte_fallback = named->raw, .ignore_merges = named->ignore_merges});
  if (!bpe.has_value()) return Annotate(bpe.error(), Key("merges"));
  parts.model = std::move(bpe).value();
  return named->raw ? ReadMetaspaces(false) : ReadDecoding({{.kind = DecoderKind::kByteLevel}});
}

Status GgufTokenizer::ReadSentencePieceBpe() {
  ASSIGN_OR_RETURN(const auto* given, Required<std::vector<double>>(metadata, "scores"));
  std::vector<float> scores;
  for (const double score : *given) scores.push_back(static_cast<float>(score));
  std::vector<bool> mergeable;
  for (const int64_t type : types)
    mergeable.push_back(type == kNormal || type == kUserDefined || type == kUnused);
  ASSIGN_OR_RETURN(const int32_t unknown, Id("unknown_token_id"));
  auto model = SentencePieceBpe::Make(parts.vocabulary, std::move(scores), std::move(mergeable), unknown);
  if (!model.has_value()) return Annotate(model.error(), Key("scores"));
  parts.model = std::move(model).value();
  ASSIGN_OR_RETURN(const bool add_space_prefix, Optional<bool>(metadata, "add_space_prefix", true));
  return ReadMetaspaces(add_space_prefix);
}

// A space is U+2581 in tokens. With `add_space_prefix` there is one in front of a text.
Status GgufTokenizer::ReadMetaspaces(bool add_space_prefix) {
  if (add_space_prefix) parts.normalizers.push_back(MakePrepend(std::string(kMetaspace)));
  ASSIGN_OR_RETURN(Regex space, Regex::Literal(" "));
  parts.normalizers.push_back(MakeReplace(std::move(space), std::string(kMetaspace)));
  ASSIGN_OR_RETURN(Regex metaspace, Regex::Literal(kMetaspace));
  std::vector<DecoderStep> steps = {
      {.kind = DecoderKind::kReplace, .pattern = std::move(metaspace), .content = " "},
      {.kind = DecoderKind::kByteFallback},
      {.kind = DecoderKind::kFuse}};
  if (add_space_prefix) steps.push_back({.kind = DecoderKind::kStrip, .content = " ", .start = 1});
  return ReadDecoding(steps);
}

Status GgufTokenizer::ReadDecoding(const std::vector<DecoderStep>& steps) {
  ASSIGN_OR_RETURN(parts.decoding, CompileDecoder(steps, tokens));
  for (size_t id = 0; id < tokens.size(); ++id) {
    parts.special.push_back(IsSpecial(id));
    // Added tokens stand for their own text.
    if (IsSpecial(id) || types[id] == kUserDefined) parts.decoding.pieces[id] = tokens[id];
  }
  return OkStatus();
}

Error GgufTokenizer::CannotAdd(std::string_view flag, std::string_view id) const {
  const auto* given = FindGguf<int64_t>(metadata, Key(id));
  return InvalidArgument("{} is true, and {} is {}: there are {} tokens", Key(flag), Key(id),
                         given == nullptr ? "missing" : std::to_string(*given), tokens.size());
}

Status GgufTokenizer::ReadSpecialTokens(bool add_bos_default) {
  // These are llama.cpp's defaults for SentencePiece.
  const bool sentence_piece = *FindGguf<std::string>(metadata, Key("model")) == "llama";
  ASSIGN_OR_RETURN(parts.bos, Id("bos_token_id", sentence_piece ? 1 : -1));
  ASSIGN_OR_RETURN(const int32_t eos, Id("eos_token_id", sentence_piece ? 2 : -1));
  parts.AddEnd(eos);
  for (const char* name :
       {"eot_token_id", "eom_token_id", "fim_pad_token_id", "fim_rep_token_id", "fim_sep_token_id"}) {
    ASSIGN_OR_RETURN(const int32_t id, Id(name));
    parts.AddEnd(id);
  }
  for (const int32_t id : ends_by_text) parts.AddEnd(id);
  RETURN_IF_ERROR(NameSpecialTokens(eos));
  ASSIGN_OR_RETURN(const bool add_bos,
                   Optional<bool>(metadata, "add_bos_token", add_bos_default && parts.bos >= 0));
  ASSIGN_OR_RETURN(const bool add_eos, Optional<bool>(metadata, "add_eos_token", false));
  if (add_bos && parts.bos < 0) return CannotAdd("add_bos_token", "bos_token_id");
  if (add_eos && eos < 0) return CannotAdd("add_eos_token", "eos_token_id");
  if (add_bos) parts.prefix.push_back(parts.bos);
  if (add_eos) parts.suffix.push_back(eos);
  return OkStatus();
}

// Names the special tokens as chat templates know them.
Status GgufTokenizer::NameSpecialTokens(int32_t eos) {
  ASSIGN_OR_RETURN(const int32_t unknown, Id("unknown_token_id"));
  ASSIGN_OR_RETURN(const int32_t separator, Id("seperator_token_id"));  // GGUF's own spelling
  ASSIGN_OR_RETURN(const int32_t padding, Id("padding_token_id"));
  ASSIGN_OR_RETURN(const int32_t mask, Id("mask_token_id"));
  const std::pair<const char*, int32_t> ids[] = {{"bos_token", parts.bos}, {"eos_token", eos},
                                                 {"unk_token", unknown},   {"sep_token", separator},
                                                 {"pad_token", padding},   {"mask_token", mask}};
  for (const auto& [name, id] : ids) {
    if (id >= 0) parts.special_tokens.named[name] = tokens[static_cast<size_t>(id)];
  }
  return OkStatus();
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> Tokenizer::FromGguf(const GgufMetadata& metadata,
                                                             int embedding_rows) {
  GgufTokenizer file{.metadata = metadata};
  ASSIGN_OR_RETURN(const auto* model, Required<std::string>(metadata, "model"));
  RETURN_IF_ERROR(file.ReadTokens());
  bool add_bos = true;
  if (*model == "gpt2" || *model == "gemma4") {
    RETURN_IF_ERROR(file.ReadByteLevelBpe(*model, &add_bos));
  } else if (*model == "llama") {
    RETURN_IF_ERROR(file.ReadSentencePieceBpe());
  } else {
    return Unimplemented(
        "{} is {}, which no model of the architectures that are served needs: 'gpt2', 'gemma4' (byte-pair "
        "encoding) and 'llama' (SentencePiece) are supported",
        Key("model"), Quoted(*model));
  }
  RETURN_IF_ERROR(file.ReadSpecialTokens(add_bos));
  file.parts.chat_template = ReadChatTemplateText(metadata);
  RETURN_IF_ERROR(FitToEmbedding(embedding_rows, &file.parts));
  return std::shared_ptr<const Tokenizer>(std::make_shared<TokenizerPipeline>(std::move(file.parts)));
}

}  // namespace exeunt::text
