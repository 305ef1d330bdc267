#include "text/testing/tokenizer_testing.h"

#include <zlib.h>

#include <boost/json/parse.hpp>
#include <fstream>
#include <iterator>

#include "base/check.h"

namespace exeunt::text {
namespace {

uint32_t LoadU32(std::string_view bytes) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = (value << 8) | static_cast<uint8_t>(bytes[static_cast<size_t>(i)]);
  return value;
}

std::vector<std::string> Strings(const boost::json::value& value) {
  std::vector<std::string> strings;
  for (const auto& item : value.as_array())
    strings.emplace_back(item.as_string().data(), item.as_string().size());
  return strings;
}

}  // namespace

std::string TokenizerTestdata(const std::string& name) {
  return std::string(EXEUNT_SOURCE_DIR) + "/text/testdata/tokenizer/" + name;
}

std::string ReadGzip(const std::string& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  CHECK_MSG(file != nullptr, "{} cannot be read", path);
  std::string text;
  char buffer[65536];
  int n = 0;
  while ((n = gzread(file, buffer, sizeof(buffer))) > 0) text.append(buffer, static_cast<size_t>(n));
  CHECK_MSG(n == 0 && gzclose(file) == Z_OK, "{} is broken", path);
  return text;
}

std::vector<std::string> TokenizerCorpus() {
  const std::string data = ReadGzip(TokenizerTestdata("corpus.bin.gz"));
  std::vector<std::string> lines;
  for (size_t at = 0; at < data.size();) {
    CHECK_LE(at + 4, data.size());
    const size_t size = LoadU32(std::string_view(data).substr(at, 4));
    CHECK_LE(size, data.size() - at - 4);
    lines.push_back(data.substr(at + 4, size));
    at += 4 + size;
  }
  return lines;
}

std::vector<TokenizerDigest> TokenizerDigests(const std::string& name, bool ids_only) {
  const std::string data = ReadGzip(TokenizerTestdata(name + ".golden.gz"));
  const size_t size = ids_only ? 4 : 8;
  CHECK_EQ(data.size() % size, size_t{0});
  std::vector<TokenizerDigest> digests;
  for (size_t at = 0; at < data.size(); at += size) {
    const std::string_view entry = std::string_view(data).substr(at, size);
    digests.push_back({LoadU32(entry), ids_only ? 0 : LoadU32(entry.substr(4))});
  }
  return digests;
}

uint32_t Fnv(std::string_view bytes) {
  uint32_t hash = 0x811C9DC5;
  for (const char c : bytes) hash = (hash ^ static_cast<uint8_t>(c)) * 0x01000193;
  return hash;
}

uint32_t FnvOfIds(const std::vector<int32_t>& ids) {
  std::string bytes;
  for (const int32_t id : ids) {
    for (int shift = 0; shift < 32; shift += 8)
      bytes += static_cast<char>(static_cast<uint32_t>(id) >> shift);
  }
  return Fnv(bytes);
}

GgufMetadata SmolLm2Metadata() {
  const boost::json::value file = boost::json::parse(ReadGzip(TokenizerTestdata("smollm2.json.gz")));
  std::vector<int64_t> types;
  for (const auto& type : file.at("token_type").as_array()) types.push_back(type.as_int64());
  const auto& chat_template = file.at("chat_template").as_string();
  return {{"tokenizer.ggml.model", std::string("gpt2")},
          {"tokenizer.ggml.pre", std::string("smollm")},
          {"tokenizer.ggml.tokens", Strings(file.at("tokens"))},
          {"tokenizer.ggml.token_type", std::move(types)},
          {"tokenizer.ggml.merges", Strings(file.at("merges"))},
          {"tokenizer.ggml.bos_token_id", int64_t{1}},
          {"tokenizer.ggml.eos_token_id", int64_t{2}},
          {"tokenizer.ggml.unknown_token_id", int64_t{0}},
          {"tokenizer.ggml.padding_token_id", int64_t{2}},
          {"tokenizer.ggml.add_bos_token", false},
          {"tokenizer.ggml.add_space_prefix", false},
          {"tokenizer.chat_template", std::string(chat_template.data(), chat_template.size())}};
}

boost::json::value ReadTokenizerJson(const std::string& name) {
  std::ifstream in(TokenizerTestdata(name + "/tokenizer.json"));
  return boost::json::parse(std::string(std::istreambuf_iterator<char>(in), {}));
}

std::vector<std::string> TokensOf(const boost::json::value& json) {
  std::vector<std::string> tokens(json.at("model").at("vocab").as_object().size());
  for (const auto& entry : json.at("model").at("vocab").as_object()) {
    tokens.at(static_cast<size_t>(entry.value().as_int64())) = std::string(entry.key());
  }
  return tokens;
}

GgufMetadata GgufOfTokenizerJson(const std::string& name, const std::string& pre) {
  const boost::json::value json = ReadTokenizerJson(name);
  std::vector<std::string> tokens = TokensOf(json);
  std::vector<int64_t> types(tokens.size(), 1);
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].size() == 6 && tokens[id].starts_with("<0x") && tokens[id].ends_with(">")) types[id] = 6;
  }
  for (const auto& added : json.at("added_tokens").as_array()) {
    const auto id = static_cast<size_t>(added.at("id").as_int64());
    if (id >= tokens.size()) {
      tokens.resize(id + 1);
      types.resize(id + 1, 1);
    }
    tokens[id] = std::string(added.at("content").as_string().c_str());
    types[id] = added.at("special").as_bool() ? 3 : 4;
  }
  std::vector<std::string> merges;
  for (const auto& merge : json.at("model").at("merges").as_array()) {
    merges.push_back(std::string(merge.at(0).as_string().c_str()) + " " + merge.at(1).as_string().c_str());
  }
  return {{"tokenizer.ggml.model", std::string("gpt2")},
          {"tokenizer.ggml.pre", pre},
          {"tokenizer.ggml.tokens", tokens},
          {"tokenizer.ggml.token_type", types},
          {"tokenizer.ggml.merges", merges},
          {"tokenizer.ggml.eos_token_id", int64_t{0}},
          {"tokenizer.ggml.bos_token_id", int64_t{0}},
          {"tokenizer.ggml.add_bos_token", false}};
}

std::shared_ptr<const Tokenizer> LoadTestTokenizer(const std::string& name) {
  auto tokenizer = name == "smollm2" ? Tokenizer::FromGguf(SmolLm2Metadata())
                                     : Tokenizer::FromHfDirectory(TokenizerTestdata(name));
  CHECK_MSG(tokenizer.has_value(), "{}", tokenizer.error().message);
  return *tokenizer;
}

}  // namespace exeunt::text
