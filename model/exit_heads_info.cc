#include "model/exit_heads_info.h"

#include <algorithm>

#include <boost/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "base/mmap.h"
#include "model/layer_span.h"

namespace exeunt {
namespace {

constexpr size_t kMaxExitsJsonBytes = size_t{1} << 20;
constexpr int64_t kMaxPreviewRank = 4096;
constexpr int64_t kMaxPreviewGroups = 1024;
constexpr int64_t kMaxTokenId = INT32_MAX;

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
    } else if (key == "outside" && v.is_bool()) {
      info.outside = v.get_bool();
    } else {
      return InvalidArgument("exit has unknown key or wrong value: '{}': {}", std::string(key), JsonText(v));
    }
  }
  if (info.layer == 0) return InvalidArgument("exit {} has no 'layer'", JsonText(value));
  return info;
}

// The rank is checked against d_model when the tensors are read.
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

// The largest token is checked against the vocabulary when the head is read.
Result<CandidatesInfo> ParseCandidates(const boost::json::object& object) {
  CandidatesInfo info;
  for (const auto& [key, v] : object) {
    if (key != "tokens" || !v.is_array()) {
      return InvalidArgument("candidates has unknown key or wrong value: '{}'", std::string(key));
    }
    for (const auto& token : v.get_array()) {
      const int64_t least = info.tokens.empty() ? 0 : info.tokens.back() + 1;
      if (!token.is_int64() || token.get_int64() < least || token.get_int64() > kMaxTokenId) {
        return InvalidArgument("key 'tokens': {} is not a token in [{}, {}], ascending", JsonText(token),
                               least, kMaxTokenId);
      }
      info.tokens.push_back(static_cast<int32_t>(token.get_int64()));
    }
  }
  if (info.tokens.empty() || info.tokens.size() > kMostCandidates) {
    return InvalidArgument("key 'candidates': {} tokens, not 1 to {}", info.tokens.size(), kMostCandidates);
  }
  return info;
}

}  // namespace

bool ExitHeadsInfo::Has(ExitArtefact artefact, const ExitHeadInfo& exit) const {
  switch (artefact) {
    case ExitArtefact::kNone:
      return true;
    case ExitArtefact::kClassifier:
      return exit.classifier;
    case ExitArtefact::kPreview:
      return preview.has_value();
    case ExitArtefact::kCandidates:
      return candidates.has_value() && exit.outside;
  }
  return false;
}

bool ExitHeadsInfo::Has(ExitArtefact artefact) const {
  return artefact == ExitArtefact::kNone ||
         std::any_of(exits.begin(), exits.end(),
                     [&](const ExitHeadInfo& exit) { return Has(artefact, exit); });
}

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
    } else if (key == "candidates" && value.is_object()) {
      ASSIGN_OR_RETURN(info.candidates, ParseCandidates(value.get_object()));
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

Status FittedTo(const ExitHeadsInfo& info, const std::string& directory, const std::string& model_hash) {
  if (info.model_hash == model_hash) return OkStatus();
  return InvalidArgument("{}/exits.json: fitted to model {}, not to {}", directory, info.model_hash,
                         model_hash);
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
