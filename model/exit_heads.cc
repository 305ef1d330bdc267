#include "model/exit_heads.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "kernels/dequantize.h"
#include "model/json.h"
#include "model/safetensors.h"

namespace exeunt {
namespace {

constexpr size_t kMaxExitsJsonBytes = size_t{1} << 20;

Result<std::string> ReadSmallFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return NotFound("{}: cannot be opened", path);
  std::string text(kMaxExitsJsonBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > kMaxExitsJsonBytes) return InvalidArgument("{}: over {} bytes", path, kMaxExitsJsonBytes);
  return text;
}

Result<ExitHeadInfo> ParseExit(const boost::json::value& value, int n_layers) {
  const auto* object = value.if_object();
  if (object == nullptr) return InvalidArgument("key 'exits': {} is not an object", JsonText(value));
  ExitHeadInfo info;
  for (const auto& [key, v] : *object) {
    if (key == "layer" && v.is_int64()) {
      if (v.get_int64() < 1 || v.get_int64() >= n_layers) {
        return InvalidArgument("key 'layer': {} is outside [1, {})", v.get_int64(), n_layers);
      }
      info.layer = static_cast<int>(v.get_int64());
    } else if (key == "translator" && v.is_bool()) {
      info.translator = v.get_bool();
    } else if (key == "classifier" && v.is_bool()) {
      info.classifier = v.get_bool();
    } else {
      return InvalidArgument("exit has unknown key or wrong value: '{}': {}", std::string(key), JsonText(v));
    }
  }
  if (info.layer == 0) return InvalidArgument("exit {} has no 'layer'", JsonText(value));
  return info;
}

Result<ExitHeadsInfo> ParseInfo(const std::string& text, int n_layers) {
  ASSIGN_OR_RETURN(const auto json, ParseJsonObject(text));
  ExitHeadsInfo info;
  bool format_known = false;
  for (const auto& [key, value] : json) {
    if (key == "format" && value.is_int64()) {
      if (value.get_int64() != 1) return Unimplemented("key 'format': {} is not 1", value.get_int64());
      format_known = true;
    } else if (key == "model" && value.is_string()) {
      info.model_hash = std::string(value.get_string());
    } else if (key == "exits" && value.is_array()) {
      for (const auto& e : value.get_array()) {
        ASSIGN_OR_RETURN(const ExitHeadInfo exit, ParseExit(e, n_layers));
        if (!info.exits.empty() && exit.layer <= info.exits.back().layer) {
          return InvalidArgument("key 'layer': {} does not follow {} in ascending order", exit.layer,
                                 info.exits.back().layer);
        }
        info.exits.push_back(exit);
      }
    } else {
      return InvalidArgument("unknown key or wrong value: '{}': {}", std::string(key), JsonText(value));
    }
  }
  if (!format_known) return InvalidArgument("key 'format' is missing");
  return info;
}

Result<std::vector<float>> ReadTensor(const SafetensorsFile& file, const std::string& name,
                                      const std::vector<int64_t>& shape) {
  const TensorView* t = file.Find(name);
  if (t == nullptr) return NotFound("tensor '{}' is missing", name);
  if (t->shape != shape) {
    return InvalidArgument("tensor '{}' has shape [{}], not [{}]", name, fmt::join(t->shape, ", "),
                           fmt::join(shape, ", "));
  }
  size_t n = 1;
  for (int64_t extent : shape) n *= static_cast<size_t>(extent);
  std::vector<float> values(n);
  DequantizeRow(t->dtype, t->bytes.data(), values.data(), n);
  return values;
}

Result<ExitHead> LoadHead(const SafetensorsFile& file, const ExitHeadInfo& info, int d_model) {
  ExitHead head;
  head.layer = info.layer;
  const std::string prefix = fmt::format("exit.{}.", info.layer);
  if (info.translator) {
    ASSIGN_OR_RETURN(const auto weight, ReadTensor(file, prefix + "translator.weight", {d_model, d_model}));
    ASSIGN_OR_RETURN(auto bias, ReadTensor(file, prefix + "translator.bias", {d_model}));
    head.translator = Linear::FromFloats(d_model, d_model, weight.data(), std::move(bias));
  }
  if (info.classifier) {
    ASSIGN_OR_RETURN(head.classifier, ReadTensor(file, prefix + "classifier.weight", {d_model}));
    ASSIGN_OR_RETURN(const auto bias, ReadTensor(file, prefix + "classifier.bias", {1}));
    head.classifier_bias = bias[0];
  }
  return head;
}

}  // namespace

Result<ExitHeadsInfo> LoadExitHeadsInfo(const std::string& directory, int n_layers) {
  const std::string path = directory + "/exits.json";
  ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(path));
  auto info = ParseInfo(text, n_layers);
  if (!info.has_value()) return Annotate(info.error(), path);
  return info;
}

Result<ExitHeads> ExitHeads::Load(const std::string& directory, const ModelSource& source, int layer_begin,
                                  int layer_end) {
  ASSIGN_OR_RETURN(const auto info, LoadExitHeadsInfo(directory, source.config().n_layers));
  const std::string hash = source.ContentHash();
  if (info.model_hash != hash) {
    return InvalidArgument("{}/exits.json: fitted to model {}, not to {}", directory, info.model_hash, hash);
  }
  const std::string path = directory + "/exits.safetensors";
  ASSIGN_OR_RETURN(const auto file, SafetensorsFile::Open(path));
  ExitHeads heads;
  for (const ExitHeadInfo& exit : info.exits) {
    if (exit.layer <= layer_begin || exit.layer > layer_end) continue;
    auto head = LoadHead(*file, exit, source.config().d_model);
    if (!head.has_value()) return Annotate(head.error(), path);
    heads.heads_.push_back(std::move(head).value());
  }
  return heads;
}

const ExitHead* ExitHeads::Find(int layer) const {
  for (const ExitHead& head : heads_) {
    if (head.layer == layer) return &head;
  }
  return nullptr;
}

}  // namespace exeunt
