// The special tokens of a Hugging Face directory, from every file that names them, with the precedence that
// transformers' fast tokenizers have (PreTrainedTokenizerBase._from_pretrained). Not for users of tokenizers:
// they see tokenizer.h.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace exeunt::text {

// The files beside tokenizer.json, parsed; an object is empty where its file is missing.
struct HfTokenFiles {
  std::string directory;
  boost::json::object tokenizer_config;
  boost::json::object special_tokens_map;
  boost::json::object added_tokens;
  boost::json::object generation_config;
  boost::json::object config;

  // Errors begin with the path of the file that cannot be read.
  static Result<HfTokenFiles> Read(const std::string& directory);
};

struct HfSpecialTokens {
  // Text of "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token" and "mask_token". A
  // null in a file is a value: the key is here and has no text. A key that no file has is not here.
  std::map<std::string, std::optional<std::string>> named;
  std::vector<std::string> additional;  // "additional_special_tokens"
  // Tokens to add to those of tokenizer.json, in this order; objects as in its "added_tokens".
  boost::json::array added;
  std::optional<bool> add_bos;  // whether encoding puts bos_token first; no value: as tokenizer.json says
  std::optional<bool> add_eos;
  std::vector<int64_t> bos_ids;  // of generation_config.json, else config.json
  std::vector<int64_t> eos_ids;  // of both

  const std::string* Text(const std::string& name) const;  // nullptr: there is none
  bool IsNamed(const std::string& text) const;
};

// Errors name file, key and value.
Result<HfSpecialTokens> ReadHfSpecialTokens(const HfTokenFiles& files);

}  // namespace exeunt::text
