// Reads the special tokens of a Hugging Face directory from every file that names them. The precedence is
// that of transformers' fast tokenizers (PreTrainedTokenizerBase._from_pretrained). Users of tokenizers only
// see tokenizer.h.
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

// The parsed files beside tokenizer.json. An object is empty if its file is missing.
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
  // The texts of "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token" and
  // "mask_token". A null in a file is a value, so that its key is here without a text. A key that no file has
  // is not here.
  std::map<std::string, std::optional<std::string>> named;
  std::vector<std::string> additional;  // "additional_special_tokens"
  // Tokens to add to those of tokenizer.json, in this order. The objects are as in its "added_tokens".
  boost::json::array added;
  std::optional<bool> add_bos;  // whether encoding puts bos_token first; none: as in tokenizer.json
  std::optional<bool> add_eos;
  std::vector<int64_t> bos_ids;  // from generation_config.json, else config.json
  std::vector<int64_t> eos_ids;  // from both files

  const std::string* Text(const std::string& name) const;  // nullptr if there is none
  bool IsNamed(const std::string& text) const;
};

// Errors name file, key and value.
Result<HfSpecialTokens> ReadHfSpecialTokens(const HfTokenFiles& files);

}  // namespace exeunt::text
