// Tokenizer::FromHfDirectory: tokenizer.json, and what the files beside it say about BOS, EOS and the chat
// template.
#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/mmap.h"
#include "model/json.h"
#include "model/tokenizer_json.h"

namespace exeunt {
namespace {

constexpr size_t kMaxTokenizerBytes = size_t{256} << 20;
constexpr size_t kMaxConfigBytes = size_t{64} << 20;  // tokenizer_config.json repeats the added tokens

// "" where there is no such file.
Result<std::string> ReadOptionalText(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return std::string();
  return ReadTextFile(path, kMaxConfigBytes);
}

struct HfDirectory {
  std::string path;
  TokenizerParts parts = {};

  int32_t Find(const std::string& text) const {
    const auto it = parts.added_ids.find(text);
    return it != parts.added_ids.end() ? it->second : parts.vocabulary->Find(text);
  }
  int64_t size() const { return static_cast<int64_t>(parts.decoding.pieces.size()); }
  void AddEnd(int32_t id) {
    if (id >= 0 && !std::ranges::count(parts.end_tokens, id)) parts.end_tokens.push_back(id);
  }
  Result<boost::json::object> ReadConfig(const char* name) const;
  Result<int32_t> NamedToken(const JsonFields& config, const char* name) const;
  Result<std::vector<int32_t>> TokenIds(const JsonFields& config, const char* name) const;
  Status ReadIds(const char* file);
  Status ReadNames(const char* file);
  Status ReadAddFlags();
};

// An empty object where there is no such file.
Result<boost::json::object> HfDirectory::ReadConfig(const char* name) const {
  ASSIGN_OR_RETURN(const std::string text, ReadOptionalText(path + "/" + name));
  if (text.empty()) return boost::json::object();
  Result<boost::json::object> object = ParseJsonObject(text);
  if (!object.has_value()) return Annotate(object.error(), path + "/" + name);
  return object;
}

// The token that "bos_token" or "eos_token" names, as text or as an object with "content"; -1: none.
Result<int32_t> HfDirectory::NamedToken(const JsonFields& config, const char* name) const {
  const boost::json::value* value = config.Find(name);
  if (value == nullptr) return -1;
  std::string text;
  if (value->is_object()) {
    ASSIGN_OR_RETURN(const JsonFields token, config.Object(name));
    ASSIGN_OR_RETURN(text, token.String("content"));
  } else {
    ASSIGN_OR_RETURN(text, config.String(name));
  }
  return Find(text);
}

// One id, or an array of them; none where the field is missing or null.
Result<std::vector<int32_t>> HfDirectory::TokenIds(const JsonFields& config, const char* name) const {
  std::vector<int32_t> ids;
  const boost::json::value* value = config.Find(name);
  if (value == nullptr) return ids;
  const auto add = [&](const boost::json::value& id) -> Status {
    if (!id.is_int64() || id.get_int64() < 0 || id.get_int64() >= size()) {
      return DataLoss("{} is {}: there are {} tokens", name, JsonText(*value), size());
    }
    ids.push_back(static_cast<int32_t>(id.get_int64()));
    return OkStatus();
  };
  if (!value->is_array()) {
    RETURN_IF_ERROR(add(*value));
    return ids;
  }
  for (const auto& id : value->get_array()) RETURN_IF_ERROR(add(id));
  return ids;
}

// bos_token_id and eos_token_id of generation_config.json or config.json.
Status HfDirectory::ReadIds(const char* file) {
  ASSIGN_OR_RETURN(const boost::json::object object, ReadConfig(file));
  const JsonFields config(object, "");
  const auto read = [&]() -> Status {
    ASSIGN_OR_RETURN(const auto bos, TokenIds(config, "bos_token_id"));
    if (parts.bos < 0 && !bos.empty()) parts.bos = bos[0];
    ASSIGN_OR_RETURN(const auto ends, TokenIds(config, "eos_token_id"));
    for (const int32_t id : ends) AddEnd(id);
    return OkStatus();
  };
  const Status status = read();
  if (!status.has_value()) return Annotate(status.error(), path + "/" + file);
  return OkStatus();
}

// bos_token and eos_token of tokenizer_config.json or special_tokens_map.json.
Status HfDirectory::ReadNames(const char* file) {
  ASSIGN_OR_RETURN(const boost::json::object object, ReadConfig(file));
  const JsonFields config(object, "");
  Result<int32_t> bos = NamedToken(config, "bos_token");
  Result<int32_t> eos = NamedToken(config, "eos_token");
  if (!bos.has_value()) return Annotate(bos.error(), path + "/" + file);
  if (!eos.has_value()) return Annotate(eos.error(), path + "/" + file);
  if (parts.bos < 0) parts.bos = *bos;
  AddEnd(*eos);
  return OkStatus();
}

// add_bos_token and add_eos_token, where given, overrule the post-processor.
Status HfDirectory::ReadAddFlags() {
  ASSIGN_OR_RETURN(const boost::json::object object, ReadConfig("tokenizer_config.json"));
  const JsonFields config(object, "");
  const auto apply = [&](const char* name, const char* token, std::vector<int32_t>* ids) -> Status {
    if (config.Find(name) == nullptr) return OkStatus();
    ASSIGN_OR_RETURN(const bool add, config.BoolOr(name, false));
    ASSIGN_OR_RETURN(const int32_t id, NamedToken(config, token));
    if (id < 0) return OkStatus();
    const bool added = std::ranges::count(*ids, id) > 0;
    if (add && !added) ids->push_back(id);
    if (!add && added) std::erase(*ids, id);
    return OkStatus();
  };
  Status status = apply("add_bos_token", "bos_token", &parts.prefix);
  if (status.has_value()) status = apply("add_eos_token", "eos_token", &parts.suffix);
  if (!status.has_value()) return Annotate(status.error(), path + "/tokenizer_config.json");
  return OkStatus();
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> Tokenizer::FromHfDirectory(const std::string& directory) {
  HfDirectory files{.path = directory};
  const std::string tokenizer_path = directory + "/tokenizer.json";
  ASSIGN_OR_RETURN(const std::string text, ReadTextFile(tokenizer_path, kMaxTokenizerBytes));
  auto parts = ReadTokenizerJson(text);
  if (!parts.has_value()) return Annotate(parts.error(), tokenizer_path);
  files.parts = std::move(parts).value();
  RETURN_IF_ERROR(files.ReadNames("tokenizer_config.json"));
  RETURN_IF_ERROR(files.ReadNames("special_tokens_map.json"));
  RETURN_IF_ERROR(files.ReadIds("generation_config.json"));
  if (files.parts.end_tokens.empty()) RETURN_IF_ERROR(files.ReadIds("config.json"));
  RETURN_IF_ERROR(files.ReadAddFlags());
  ASSIGN_OR_RETURN(files.parts.chat_template, ReadChatTemplateText(directory));
  return std::shared_ptr<const Tokenizer>(std::make_shared<TokenizerPipeline>(std::move(files.parts)));
}

}  // namespace exeunt
