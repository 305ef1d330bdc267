#include "text/hf_special_tokens.h"

#include <algorithm>
#include <boost/json/value.hpp>
#include <charconv>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/json_fields.h"
#include "base/mmap.h"
#include "text/vocabulary.h"

namespace exeunt::text {
namespace {

namespace json = boost::json;

constexpr size_t kMaxConfigBytes = size_t{64} << 20;  // tokenizer_config.json repeats the added tokens
// transformers' SPECIAL_TOKENS_ATTRIBUTES without the list. Missing tokens are added in this order.
constexpr const char* kNames[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                  "pad_token", "cls_token", "mask_token"};

// The values of a tokenizer class of transformers that no file gives (defaults of its constructor).
struct ClassDefaults {
  std::string_view name;  // without "Fast"
  const char* bos;        // nullptr if there is none
  const char* eos;
  const char* unk;
  const char* pad;
  bool adds_bos;  // whether its constructor rewrites the post-processor
};
constexpr ClassDefaults kClasses[] = {
    {"LlamaTokenizer", "<s>", "</s>", "<unk>", nullptr, true},
    {"CodeLlamaTokenizer", "<s>", "</s>", "<unk>", nullptr, true},
    {"GemmaTokenizer", "<bos>", "<eos>", "<unk>", "<pad>", true},
    {"Qwen2Tokenizer", nullptr, "<|endoftext|>", "<|endoftext|>", "<|endoftext|>", false},
    {"GPT2Tokenizer", "<|endoftext|>", "<|endoftext|>", "<|endoftext|>", nullptr, false},
};

// The class that AutoTokenizer chooses for a model type.
constexpr std::pair<std::string_view, std::string_view> kClassOfType[] = {{"llama", "LlamaTokenizer"},
                                                                          {"mistral", "LlamaTokenizer"},
                                                                          {"qwen2", "Qwen2Tokenizer"},
                                                                          {"qwen3", "Qwen2Tokenizer"}};

Result<json::object> ReadOptionalObject(const std::string& path) {
  ASSIGN_OR_RETURN(const auto text, ReadOptionalTextFile(path, kMaxConfigBytes));
  if (!text) return json::object();
  auto object = ParseJsonObject(*text);
  if (!object.has_value()) return Annotate(object.error(), path);
  return object;
}

std::string_view StringOf(const json::object& object, std::string_view key) {
  const json::value* const value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return {};
  return value->get_string();
}

const ClassDefaults* DefaultsOf(const HfTokenFiles& files) {
  std::string_view name = StringOf(files.tokenizer_config, "tokenizer_class");
  if (name.empty()) name = StringOf(files.config, "tokenizer_class");
  if (name.empty()) {
    const std::string_view type = StringOf(files.config, "model_type");
    for (const auto& [of_type, class_name] : kClassOfType) {
      if (of_type == type) name = class_name;
    }
  }
  if (name.ends_with("Fast")) name.remove_suffix(4);
  const auto* const found = std::ranges::find(kClasses, name, &ClassDefaults::name);
  return found == std::end(kClasses) ? nullptr : found;
}

// Reads a token, which is its text or an object with "content".
Result<std::string> TokenText(const json::value& token, const std::string& key) {
  if (token.is_string()) return TextOf(token.get_string());
  if (!token.is_object()) {
    return DataLoss("{} is {}: a text or an object with 'content' is needed", key, JsonText(token));
  }
  return JsonFields(token.get_object(), key).String("content");
}

// Returns the token to add if the tokenizer does not have it. It has the flags of the file, or only its text.
json::object TokenObject(const json::value& token, const std::string& text) {
  json::object object = token.is_object() ? token.get_object() : json::object();
  object["content"] = text;
  return object;
}

class Reader {
 public:
  explicit Reader(const HfTokenFiles& files)
      : files_(files), legacy_(!files.tokenizer_config.contains("added_tokens_decoder")) {}

  Result<HfSpecialTokens> Read() {
    RETURN_IF_ERROR(ReadDefaults());
    RETURN_IF_ERROR(In("tokenizer_config.json", ReadNames(files_.tokenizer_config)));
    // As in transformers, the older file overrules the newer one, unless that has the newer table.
    if (legacy_) RETURN_IF_ERROR(In("special_tokens_map.json", ReadNames(files_.special_tokens_map)));
    if (legacy_) {
      RETURN_IF_ERROR(In("added_tokens.json", ReadAddedTokens()));
    } else {
      RETURN_IF_ERROR(In("tokenizer_config.json", ReadAddedTokensDecoder()));
    }
    AddNamedTokens();
    RETURN_IF_ERROR(In("tokenizer_config.json", ReadAddFlags()));
    RETURN_IF_ERROR(In("generation_config.json", ReadIds(files_.generation_config)));
    RETURN_IF_ERROR(In("config.json", ReadIds(files_.config)));
    return std::move(tokens_);
  }

 private:
  Status In(const char* file, Status status) const {
    if (status.has_value()) return status;
    return Annotate(status.error(), files_.directory + "/" + file);
  }

  Status ReadDefaults() {
    const ClassDefaults* const defaults = DefaultsOf(files_);
    if (defaults == nullptr) return OkStatus();
    const std::pair<const char*, const char*> texts[] = {{"bos_token", defaults->bos},
                                                         {"eos_token", defaults->eos},
                                                         {"unk_token", defaults->unk},
                                                         {"pad_token", defaults->pad}};
    for (const auto& [name, text] : texts) {
      if (text != nullptr) Name(name, json::value(text), text);
    }
    if (defaults->adds_bos) tokens_.add_bos = true;
    return OkStatus();
  }

  void Name(const std::string& name, const json::value& token, const std::string& text) {
    tokens_.named[name] = text;
    objects_[name] = TokenObject(token, text);
  }

  Status ReadNames(const json::object& file) {
    for (const char* name : kNames) {
      const json::value* const value = file.if_contains(name);
      if (value == nullptr) continue;
      if (value->is_null()) {
        tokens_.named[name] = std::nullopt;
        objects_.erase(name);
        continue;
      }
      ASSIGN_OR_RETURN(const std::string text, TokenText(*value, name));
      if (text.empty()) {  // as in transformers, an empty text is no token
        tokens_.named[name] = std::nullopt;
        objects_.erase(name);
      } else {
        Name(name, *value, text);
      }
    }
    RETURN_IF_ERROR(ReadExtra(file));
    return ReadAdditional(file, "additional_special_tokens");
  }

  // Reads {"image_token": "<image>"}, which are tokens with the model's own names. Newer files have a list
  // without names.
  Status ReadExtra(const json::object& file) {
    constexpr const char* kKey = "extra_special_tokens";
    const json::value* const value = file.if_contains(kKey);
    if (value == nullptr || value->is_null()) return OkStatus();
    if (!value->is_object()) return ReadAdditional(file, kKey);
    for (const auto& [name, token] : value->get_object()) {
      ASSIGN_OR_RETURN(const std::string text,
                       TokenText(token, fmt::format("{}.{}", kKey, std::string_view(name))));
      if (text.empty()) continue;
      Name(name, token, text);
      extra_.emplace_back(name);
    }
    return OkStatus();
  }

  // Unlike the names, the lists of two files are joined.
  Status ReadAdditional(const json::object& file, const char* key) {
    const json::value* const value = file.if_contains(key);
    if (value == nullptr) return OkStatus();
    if (value->is_null()) {
      tokens_.additional.clear();
      additional_.clear();
      return OkStatus();
    }
    if (!value->is_array()) return DataLoss("{} is {}: a list is needed", key, JsonText(*value));
    for (const json::value& token : value->get_array()) {
      ASSIGN_OR_RETURN(const std::string text, TokenText(token, std::string(key) + "[]"));
      if (text.empty() || std::ranges::count(tokens_.additional, text) > 0) continue;
      tokens_.additional.push_back(text);
      additional_.push_back(TokenObject(token, text));
    }
    return OkStatus();
  }

  // Reads {"<tool>": 50257} in the order of the ids.
  Status ReadAddedTokens() {
    std::map<int64_t, std::string> by_id;
    for (const auto& [text, id] : files_.added_tokens) {
      if (!id.is_int64() || id.get_int64() < 0 || id.get_int64() >= kMaxVocabulary) {
        return DataLoss("'{}' is {}: an id below {} is needed", std::string_view(text), JsonText(id),
                        kMaxVocabulary);
      }
      by_id[id.get_int64()] = std::string(text);
    }
    for (const auto& [id, text] : by_id) {
      tokens_.added.push_back(json::object{{"content", text}, {"special", tokens_.IsNamed(text)}});
    }
    return OkStatus();
  }

  // Reads {"50257": {"content": "<tool>", "special": true, ...}} in the order of the ids.
  Status ReadAddedTokensDecoder() {
    constexpr const char* kKey = "added_tokens_decoder";
    const json::value& value = files_.tokenizer_config.at(kKey);
    if (value.is_null()) return OkStatus();
    if (!value.is_object()) return DataLoss("{} is {}: an object is needed", kKey, JsonText(value));
    std::map<int64_t, json::object> by_id;
    for (const auto& [key, token] : value.get_object()) {
      int64_t id = -1;
      const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
      if (error != std::errc() || end != key.data() + key.size() || id < 0 || id >= kMaxVocabulary) {
        return DataLoss("{} has the key '{}': an id below {} is needed", kKey, std::string_view(key),
                        kMaxVocabulary);
      }
      ASSIGN_OR_RETURN(const std::string text, TokenText(token, fmt::format("{}[{}]", kKey, id)));
      by_id[id] = TokenObject(token, text);
      by_id[id]["named"] = tokens_.IsNamed(text);
    }
    for (auto& [id, object] : by_id) tokens_.added.push_back(std::move(object));
    return OkStatus();
  }

  // Special tokens that are in no list of added tokens are also added.
  void AddNamedTokens() {
    for (const char* name : kNames) {
      if (const auto it = objects_.find(name); it != objects_.end()) AddNamed(it->second);
    }
    for (const json::object& token : additional_) AddNamed(token);
    for (const std::string& name : extra_) AddNamed(objects_.at(name));
  }

  void AddNamed(json::object token) {
    token["special"] = true;
    token["if_missing"] = true;
    tokens_.added.push_back(std::move(token));
  }

  Status ReadAddFlags() {
    const JsonFields config(files_.tokenizer_config, "");
    const auto read = [&config](const char* key, std::optional<bool>* flag) -> Status {
      if (config.Find(key) == nullptr) return OkStatus();
      ASSIGN_OR_RETURN(*flag, config.BoolOr(key, false));
      return OkStatus();
    };
    RETURN_IF_ERROR(read("add_bos_token", &tokens_.add_bos));
    return read("add_eos_token", &tokens_.add_eos);
  }

  // generation_config.json comes first. Its begin token, even null, hides that of config.json. Its end tokens
  // do so only if they are null.
  Status ReadIds(const json::object& file) {
    RETURN_IF_ERROR(ReadIdList(file, "bos_token_id", /*unites=*/false, &bos_hidden_, &tokens_.bos_ids));
    return ReadIdList(file, "eos_token_id", /*unites=*/true, &eos_hidden_, &tokens_.eos_ids);
  }

  static Status ReadIdList(const json::object& file, const char* key, bool unites, bool* hidden,
                           std::vector<int64_t>* ids) {
    const json::value* const value = file.if_contains(key);
    if (value == nullptr || *hidden) return OkStatus();
    *hidden = !unites || value->is_null();
    if (value->is_null()) return OkStatus();
    const json::array list = value->is_array() ? value->get_array() : json::array{*value};
    for (const json::value& id : list) {
      if (!id.is_int64() || id.get_int64() >= kMaxVocabulary) {
        return DataLoss("{} is {}: ids below {} are needed", key, JsonText(*value), kMaxVocabulary);
      }
      if (!std::ranges::count(*ids, id.get_int64())) ids->push_back(id.get_int64());
    }
    return OkStatus();
  }

  const HfTokenFiles& files_;
  const bool legacy_;  // whether tokenizer_config.json has no added_tokens_decoder
  HfSpecialTokens tokens_;
  std::map<std::string, json::object> objects_;  // objects of the named tokens
  std::vector<json::object> additional_;
  std::vector<std::string> extra_;  // names
  bool bos_hidden_ = false;
  bool eos_hidden_ = false;
};

}  // namespace

Result<HfTokenFiles> HfTokenFiles::Read(const std::string& directory) {
  HfTokenFiles files{.directory = directory};
  const std::pair<const char*, json::object*> objects[] = {
      {"tokenizer_config.json", &files.tokenizer_config},
      {"special_tokens_map.json", &files.special_tokens_map},
      {"added_tokens.json", &files.added_tokens},
      {"generation_config.json", &files.generation_config},
      {"config.json", &files.config}};
  for (const auto& [name, object] : objects) {
    ASSIGN_OR_RETURN(*object, ReadOptionalObject(directory + "/" + name));
  }
  return files;
}

const std::string* HfSpecialTokens::Text(const std::string& name) const {
  const auto it = named.find(name);
  return it == named.end() || !it->second ? nullptr : &*it->second;
}

bool HfSpecialTokens::IsNamed(const std::string& text) const {
  return std::ranges::count(additional, text) > 0 ||
         std::ranges::any_of(named, [&text](const auto& token) { return token.second == text; });
}

Result<HfSpecialTokens> ReadHfSpecialTokens(const HfTokenFiles& files) { return Reader(files).Read(); }

}  // namespace exeunt::text
