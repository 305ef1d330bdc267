#include "text/tokenizer_json.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>
#include <map>

#include "base/error.h"
#include "base/json.h"
#include "text/bpe.h"
#include "text/unigram.h"

namespace exeunt::text {
namespace {

constexpr int64_t kMaxGap = 4096;  // most ids without a token

// An added token with its text in the file.
struct AddedTokenText {
  AddedToken token;
  bool normalized = false;

  bool SameAs(const AddedTokenText& other) const {
    return token.special == other.token.special && token.single_word == other.token.single_word &&
           token.lstrip == other.token.lstrip && token.rstrip == other.token.rstrip &&
           normalized == other.normalized;
  }
};

struct JsonTokenizer {
  const JsonFields& root;
  std::vector<std::string> texts = {};  // texts of the model's tokens, later also of the added ones
  int64_t next_id = 0;                  // next id of an added token that the model does not have
  boost::unordered_flat_set<std::string> special_texts = {};
  std::map<int32_t, AddedTokenText> added = {};  // by id
  TokenizerParts parts = {};

  Status ReadModel();
  Status ReadBpe(const JsonFields& model);
  Result<std::vector<std::pair<std::string, std::string>>> ReadMerges(const JsonFields& model) const;
  Status ReadUnigram(const JsonFields& model);
  Status MakeVocabulary();
  Status ReadAddedTokens(const boost::json::array& tokens, std::string_view path);
  Status ReadAddedToken(const JsonFields& fields);
  Result<int32_t> IdOf(const std::string& content, const JsonFields& fields);
  Status CompileAddedTokens();
  Status ReadPostProcessor(const JsonFields& fields);
  Status ReadTemplate(const JsonFields& fields);
  Status ReadPair(const JsonFields& fields, std::string_view name, std::vector<int32_t>* ids) const;
  Status ReadDecoding();
};

Status JsonTokenizer::ReadModel() {
  ASSIGN_OR_RETURN(const JsonFields model, root.Object("model"));
  const bool has_merges = model.Find("merges") != nullptr;
  ASSIGN_OR_RETURN(const std::string type, model.StringOr("type", has_merges ? "BPE" : ""));
  if (type == "BPE") return ReadBpe(model);
  if (type == "Unigram") return ReadUnigram(model);
  return Unimplemented("model.type '{}' is not supported: BPE and Unigram are", type);
}

Status JsonTokenizer::MakeVocabulary() {
  ASSIGN_OR_RETURN(Vocabulary vocabulary, Vocabulary::Make(texts));
  parts.vocabulary = std::make_shared<const Vocabulary>(std::move(vocabulary));
  return OkStatus();
}

Result<std::vector<std::pair<std::string, std::string>>> JsonTokenizer::ReadMerges(
    const JsonFields& model) const {
  ASSIGN_OR_RETURN(const boost::json::array* entries, model.Array("merges"));
  std::vector<std::pair<std::string, std::string>> merges;
  merges.reserve(entries->size());
  for (const auto& entry : *entries) {
    if (entry.is_string()) {
      const std::string line = TextOf(entry.get_string());
      if (merges.empty() && line.starts_with("#version")) continue;
      const size_t space = line.find(' ');
      if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) {
        return DataLoss("model.merges[{}] is {}: two tokens are needed", merges.size(), JsonText(entry));
      }
      merges.emplace_back(line.substr(0, space), line.substr(space + 1));
    } else if (entry.is_array() && entry.get_array().size() == 2 && entry.get_array()[0].is_string() &&
               entry.get_array()[1].is_string()) {
      merges.emplace_back(TextOf(entry.get_array()[0].get_string()),
                          TextOf(entry.get_array()[1].get_string()));
    } else {
      return DataLoss("model.merges[{}] is {}: two tokens are needed", merges.size(), JsonText(entry));
    }
  }
  return merges;
}

Status JsonTokenizer::ReadBpe(const JsonFields& model) {
  ASSIGN_OR_RETURN(const JsonFields unused, model.Object("vocab"));
  const boost::json::object& vocab = model.Find("vocab")->get_object();
  next_id = static_cast<int64_t>(vocab.size());
  const int64_t limit = std::min<int64_t>(kMaxVocabulary, 2 * next_id + kMaxGap);
  for (const auto& entry : vocab) {
    if (!entry.value().is_int64() || entry.value().get_int64() < 0 || entry.value().get_int64() >= limit) {
      return DataLoss("model.vocab['{}'] is {}: an id below {} is needed", std::string_view(entry.key()),
                      JsonText(entry.value()), limit);
    }
    const auto id = static_cast<size_t>(entry.value().get_int64());
    if (id >= texts.size()) texts.resize(id + 1);
    texts[id] = std::string(entry.key());
  }
  RETURN_IF_ERROR(MakeVocabulary());
  for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    ASSIGN_OR_RETURN(const std::string affix, model.StringOr(name, ""));
    if (!affix.empty()) return Unimplemented("{} '{}' is not supported", model.PathOf(name), affix);
  }
  const boost::json::value* dropout = model.Find("dropout");
  if (dropout != nullptr && !(dropout->is_double() && dropout->get_double() == 0.0)) {
    return Unimplemented("model.dropout {} is not supported", JsonText(*dropout));
  }
  BpeOptions options;
  ASSIGN_OR_RETURN(options.fuse_unknown, model.BoolOr("fuse_unk", false));
  ASSIGN_OR_RETURN(options.byte_fallback, model.BoolOr("byte_fallback", false));
  ASSIGN_OR_RETURN(options.ignore_merges, model.BoolOr("ignore_merges", false));
  ASSIGN_OR_RETURN(const std::string unknown, model.StringOr("unk_token", ""));
  if (!unknown.empty()) {
    options.unknown = parts.vocabulary->Find(unknown);
    if (options.unknown < 0) return DataLoss("model.unk_token '{}' is not in the vocabulary", unknown);
  }
  ASSIGN_OR_RETURN(const auto merges, ReadMerges(model));
  auto bpe = Bpe::Make(parts.vocabulary, merges, options);
  if (!bpe.has_value()) return Annotate(bpe.error(), "model.merges");
  parts.model = std::move(bpe).value();
  return OkStatus();
}

Status JsonTokenizer::ReadUnigram(const JsonFields& model) {
  ASSIGN_OR_RETURN(const boost::json::array* vocab, model.Array("vocab"));
  std::vector<double> scores;
  for (const auto& entry : *vocab) {
    const boost::json::array* pair = entry.if_array();
    const bool fits =
        pair != nullptr && pair->size() == 2 && (*pair)[0].is_string() && (*pair)[1].is_number();
    if (!fits)
      return DataLoss("model.vocab[{}] is {}: a token and its score are needed", texts.size(),
                      JsonText(entry));
    texts.push_back(TextOf((*pair)[0].get_string()));
    scores.push_back((*pair)[1].to_number<double>());
  }
  next_id = static_cast<int64_t>(texts.size());
  RETURN_IF_ERROR(MakeVocabulary());
  ASSIGN_OR_RETURN(const int64_t unknown, model.IndexOr("unk_id", -1, kMaxVocabulary));
  if (unknown < 0) return Unimplemented("model.unk_id is missing: a unigram model without is not supported");
  ASSIGN_OR_RETURN(const bool byte_fallback, model.BoolOr("byte_fallback", false));
  auto unigram =
      Unigram::Make(parts.vocabulary, std::move(scores), static_cast<int32_t>(unknown), byte_fallback);
  if (!unigram.has_value()) return Annotate(unigram.error(), "model");
  parts.model = std::move(unigram).value();
  return OkStatus();
}

// The `tokenizers` package goes by the text and not by the file's id. A token of the model keeps its own id.
// A new token gets the next id.
Result<int32_t> JsonTokenizer::IdOf(const std::string& content, const JsonFields& fields) {
  if (const int32_t id = parts.vocabulary->Find(content); id >= 0) return id;
  if (const auto it = parts.added_ids.find(content); it != parts.added_ids.end()) return it->second;
  if (next_id >= kMaxVocabulary)
    return DataLoss("{}: more than {} tokens", fields.PathOf("id"), kMaxVocabulary);
  return static_cast<int32_t>(next_id++);
}

// A token that is added again takes the newer flags, but stays special. Only the files beside tokenizer.json
// lead to the fields "if_missing" and "named" (hf_special_tokens.h).
Status JsonTokenizer::ReadAddedToken(const JsonFields& fields) {
  AddedTokenText read;
  AddedToken& token = read.token;
  ASSIGN_OR_RETURN(token.text, fields.String("content"));
  if (token.text.empty()) return OkStatus();
  ASSIGN_OR_RETURN(token.special, fields.BoolOr("special", false));
  ASSIGN_OR_RETURN(token.single_word, fields.BoolOr("single_word", false));
  ASSIGN_OR_RETURN(token.lstrip, fields.BoolOr("lstrip", false));
  ASSIGN_OR_RETURN(token.rstrip, fields.BoolOr("rstrip", false));
  ASSIGN_OR_RETURN(read.normalized, fields.BoolOr("normalized", !token.special));
  ASSIGN_OR_RETURN(const bool if_missing, fields.BoolOr("if_missing", false));
  ASSIGN_OR_RETURN(const bool named, fields.BoolOr("named", false));
  if (const auto it = parts.added_ids.find(token.text); it != parts.added_ids.end()) {
    if (if_missing || read.SameAs(added.at(it->second))) return OkStatus();
  }
  token.special = token.special || named;
  ASSIGN_OR_RETURN(token.id, IdOf(token.text, fields));
  const auto id = static_cast<size_t>(token.id);
  if (id >= texts.size()) texts.resize(id + 1);
  texts[id] = token.text;
  if (token.special) special_texts.insert(token.text);
  parts.added_ids[token.text] = token.id;
  added[token.id] = std::move(read);
  return OkStatus();
}

Status JsonTokenizer::ReadAddedTokens(const boost::json::array& tokens, std::string_view path) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    ASSIGN_OR_RETURN(const JsonFields fields, JsonFields::Of(tokens[i], fmt::format("{}[{}]", path, i)));
    RETURN_IF_ERROR(ReadAddedToken(fields));
  }
  return OkStatus();
}

Status JsonTokenizer::CompileAddedTokens() {
  RegexScratch scratch;
  for (auto& [id, entry] : added) {
    const std::string content = entry.token.text;
    if (entry.normalized) ApplyAll(parts.normalizers, &entry.token.text, &scratch);
    if (entry.token.text.empty()) continue;
    AddedTokens& tokens = entry.normalized ? parts.added_normalized : parts.added;
    const Status compiled = tokens.Add(std::move(entry.token));
    if (!compiled.has_value()) return Annotate(compiled.error(), fmt::format("added token '{}'", content));
  }
  return OkStatus();
}

// Reads ["</s>", 2] of the processors for BERT and RoBERTa.
Status JsonTokenizer::ReadPair(const JsonFields& fields, std::string_view name,
                               std::vector<int32_t>* ids) const {
  ASSIGN_OR_RETURN(const boost::json::array* pair, fields.Array(name));
  const bool fits = pair->size() == 2 && (*pair)[1].is_int64() && (*pair)[1].get_int64() >= 0 &&
                    (*pair)[1].get_int64() < static_cast<int64_t>(texts.size());
  if (!fits) return DataLoss("{}: a token and its id are needed", fields.PathOf(name));
  ids->push_back(static_cast<int32_t>((*pair)[1].get_int64()));
  return OkStatus();
}

// Reads {"single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}], "special_tokens": {"<s>":
// {"ids": [1]}}}.
Status JsonTokenizer::ReadTemplate(const JsonFields& fields) {
  ASSIGN_OR_RETURN(const boost::json::array* pieces, fields.Array("single"));
  bool seen_text = false;
  for (size_t i = 0; i < pieces->size(); ++i) {
    const std::string path = fmt::format("{}[{}]", fields.PathOf("single"), i);
    ASSIGN_OR_RETURN(const JsonFields piece, JsonFields::Of((*pieces)[i], path));
    if (piece.Find("Sequence") != nullptr) {
      ASSIGN_OR_RETURN(const JsonFields sequence, piece.Object("Sequence"));
      ASSIGN_OR_RETURN(const std::string id, sequence.String("id"));
      if (id != "A" || seen_text) return Unimplemented("{}: one sequence A is supported", path);
      seen_text = true;
      continue;
    }
    ASSIGN_OR_RETURN(const JsonFields special, piece.Object("SpecialToken"));
    ASSIGN_OR_RETURN(const std::string name, special.String("id"));
    ASSIGN_OR_RETURN(const JsonFields known, fields.Object("special_tokens"));
    ASSIGN_OR_RETURN(const JsonFields token, known.Object(name));
    ASSIGN_OR_RETURN(const boost::json::array* ids, token.Array("ids"));
    for (const auto& id : *ids) {
      if (!id.is_int64() || id.get_int64() < 0 || id.get_int64() >= static_cast<int64_t>(texts.size())) {
        return DataLoss("{} is {}: there are {} tokens", token.PathOf("ids"), JsonText(id), texts.size());
      }
      (seen_text ? parts.suffix : parts.prefix).push_back(static_cast<int32_t>(id.get_int64()));
    }
  }
  if (!seen_text) return DataLoss("{} has no sequence A", fields.PathOf("single"));
  return OkStatus();
}

Status JsonTokenizer::ReadPostProcessor(const JsonFields& fields) {
  ASSIGN_OR_RETURN(const std::string type, fields.String("type"));
  if (type == "ByteLevel") return OkStatus();  // only moves offsets
  if (type == "TemplateProcessing") return ReadTemplate(fields);
  if (type == "RobertaProcessing" || type == "BertProcessing") {
    RETURN_IF_ERROR(ReadPair(fields, "cls", &parts.prefix));
    return ReadPair(fields, "sep", &parts.suffix);
  }
  if (type != "Sequence") return Unimplemented("{} '{}' is not supported", fields.PathOf("type"), type);
  ASSIGN_OR_RETURN(const boost::json::array* steps, fields.Array("processors"));
  for (size_t i = 0; i < steps->size(); ++i) {
    const std::string path = fmt::format("{}[{}]", fields.PathOf("processors"), i);
    ASSIGN_OR_RETURN(const JsonFields step, JsonFields::Of((*steps)[i], path));
    RETURN_IF_ERROR(ReadPostProcessor(step));
  }
  return OkStatus();
}

Status JsonTokenizer::ReadDecoding() {
  // A special text is special under every id that has it.
  for (const std::string& text : texts) parts.special.push_back(special_texts.contains(text));
  if (root.Find("decoder") == nullptr) {
    parts.decoding = SpaceSeparated(texts);
    return OkStatus();
  }
  ASSIGN_OR_RETURN(const JsonFields decoder, root.Object("decoder"));
  std::vector<DecoderStep> steps;
  RETURN_IF_ERROR(ReadDecoder(decoder, &steps));
  ASSIGN_OR_RETURN(parts.decoding, CompileDecoder(steps, texts));
  return OkStatus();
}

}  // namespace

Result<TokenizerParts> ReadTokenizerJson(std::string_view text, const boost::json::array& added) {
  ASSIGN_OR_RETURN(const boost::json::object object, ParseJsonObject(text));
  const JsonFields root(object, "");
  JsonTokenizer file{.root = root};
  RETURN_IF_ERROR(file.ReadModel());
  if (root.Find("normalizer") != nullptr) {
    ASSIGN_OR_RETURN(const JsonFields normalizer, root.Object("normalizer"));
    RETURN_IF_ERROR(ReadNormalizer(normalizer, &file.parts.normalizers));
  }
  if (root.Find("pre_tokenizer") != nullptr) {
    ASSIGN_OR_RETURN(const JsonFields pre_tokenizer, root.Object("pre_tokenizer"));
    RETURN_IF_ERROR(ReadPreTokenizer(pre_tokenizer, &file.parts.pre_tokenizers));
  }
  if (root.Find("added_tokens") != nullptr) {
    ASSIGN_OR_RETURN(const boost::json::array* own, root.Array("added_tokens"));
    RETURN_IF_ERROR(file.ReadAddedTokens(*own, "added_tokens"));
  }
  RETURN_IF_ERROR(file.ReadAddedTokens(added, "tokens of the files beside it"));
  RETURN_IF_ERROR(file.CompileAddedTokens());
  if (root.Find("post_processor") != nullptr) {
    ASSIGN_OR_RETURN(const JsonFields post_processor, root.Object("post_processor"));
    RETURN_IF_ERROR(file.ReadPostProcessor(post_processor));
  }
  RETURN_IF_ERROR(file.ReadDecoding());
  return std::move(file.parts);
}

}  // namespace exeunt::text
