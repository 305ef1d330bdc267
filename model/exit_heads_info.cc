#include "model/exit_heads_info.h"

#include <boost/json.hpp>

#include "base/error.h"
#include "base/mmap.h"
#include "model/json.h"
#include "model/layer_plan.h"

namespace exeunt {
namespace {

constexpr size_t kMaxExitsJsonBytes = size_t{1} << 20;
constexpr int64_t kMaxPreviewRank = 4096;
constexpr int64_t kMaxPreviewGroups = 1024;

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

// The rank is held to d_model when the tensors are read.
Result<PreviewInfo> ParsePreview(const boost::json::object& object) {
  PreviewInfo info;
  for (const auto& [key, v] : object) {
    const bool rank = key == "rank";
    if (!rank && key != "groups") return InvalidArgument("preview has unknown key '{}'", std::string(key));
    const int64_t most = rank ? kMaxPreviewRank : kMaxPreviewGroups;
    if (!v.is_int64() || v.get_int64() < 1 || v.get_int64() > most) {
      return InvalidArgument("key '{}': {} is not a number in [1, {}]", std::string(key), JsonText(v), most);
    }
    (rank ? info.rank : info.groups) = static_cast<int>(v.get_int64());
  }
  if (info.groups == 0 || info.rank % 32 != 0 || info.rank == 0) {
    return InvalidArgument("key 'preview': needs 'rank', a multiple of 32, and 'groups': {}",
                           JsonText(object));
  }
  return info;
}

}  // namespace

Result<ExitHeadsInfo> ParseExitHeadsInfo(const std::string& text, int n_layers) {
  ASSIGN_OR_RETURN(const auto json, ParseJsonObject(text));
  ExitHeadsInfo info;
  bool format_known = false;
  for (const auto& [key, value] : json) {
    if (key == "format" && value.is_int64()) {
      if (value.get_int64() != 1) return Unimplemented("key 'format': {} is not 1", value.get_int64());
      format_known = true;
    } else if (key == "model" && value.is_string()) {
      info.model_hash = std::string(value.get_string());
    } else if (key == "preview" && value.is_object()) {
      ASSIGN_OR_RETURN(info.preview, ParsePreview(value.get_object()));
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

Result<ExitHeadsInfo> LoadExitHeadsInfo(const std::string& directory, int n_layers) {
  const std::string path = directory + "/exits.json";
  ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, kMaxExitsJsonBytes));
  auto info = ParseExitHeadsInfo(text, n_layers);
  if (!info.has_value()) return Annotate(info.error(), path);
  return info;
}

Result<std::vector<int>> ChooseExitLayers(const std::string& option, const std::string& directory,
                                          int n_layers) {
  if (option != "auto" || directory.empty()) return ParseExitLayers(option, n_layers);
  ASSIGN_OR_RETURN(const ExitHeadsInfo info, LoadExitHeadsInfo(directory, n_layers));
  std::vector<int> layers;
  for (const ExitHeadInfo& exit : info.exits) layers.push_back(exit.layer);
  return layers;
}

}  // namespace exeunt
