#include "model/hf_model.h"

#include <array>
#include <boost/json.hpp>
#include <filesystem>
#include <map>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/mmap.h"
#include "base/quoted.h"
#include "model/safetensors.h"

namespace exeunt {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxJsonBytes = size_t{16} << 20;
constexpr size_t kMaxShards = 4096;
constexpr size_t kMaxLayerDigits = 4;

using NamePair = std::pair<std::string_view, std::string_view>;  // Hugging Face's name, GGUF's name

constexpr std::array<NamePair, 3> kModelNames = {{
    {"model.embed_tokens.weight", "token_embd.weight"},
    {"model.norm.weight", "output_norm.weight"},
    {"lm_head.weight", "output.weight"},
}};
constexpr std::array<NamePair, 14> kLayerNames = {{
    {"input_layernorm.weight", "attn_norm.weight"},
    {"self_attn.q_proj.weight", "attn_q.weight"},
    {"self_attn.k_proj.weight", "attn_k.weight"},
    {"self_attn.v_proj.weight", "attn_v.weight"},
    {"self_attn.q_proj.bias", "attn_q.bias"},
    {"self_attn.k_proj.bias", "attn_k.bias"},
    {"self_attn.v_proj.bias", "attn_v.bias"},
    {"self_attn.q_norm.weight", "attn_q_norm.weight"},
    {"self_attn.k_norm.weight", "attn_k_norm.weight"},
    {"self_attn.o_proj.weight", "attn_output.weight"},
    {"post_attention_layernorm.weight", "ffn_norm.weight"},
    {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.up_proj.weight", "ffn_up.weight"},
    {"mlp.down_proj.weight", "ffn_down.weight"},
}};

std::string_view Translate(std::span<const NamePair> names, std::string_view name) {
  for (const auto& [from, to] : names) {
    if (from == name) return to;
  }
  return {};
}

// Gives a tensor GGUF's name and adds it to the model.
Status AddTensor(const TensorView& tensor, ModelParts& parts) {
  ASSIGN_OR_RETURN(std::string name, GgufNameOfHfTensor(tensor.name));
  // Some checkpoints with tied embeddings have the same matrix twice.
  if (name.empty() || (name == "output.weight" && parts.config.tied_embeddings)) return OkStatus();
  TensorView renamed = tensor;
  renamed.name = std::move(name);
  if (!parts.tensors.Add(std::move(renamed)))
    return DataLoss("tensor {} is there twice", Quoted(tensor.name));
  return OkStatus();
}

Status LoadSingle(const std::string& path, ModelParts& parts) {
  ASSIGN_OR_RETURN(const auto file, SafetensorsFile::Open(path));
  parts.files.push_back(file->file());
  for (const TensorView& tensor : file->tensors()) {
    auto added = AddTensor(tensor, parts);
    if (!added) return Annotate(added.error(), path);
  }
  return OkStatus();
}

// A shard's name is a plain file name, so that the index cannot lead out of its directory.
bool IsPlainFileName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

// Returns the tensor names by shard from the index's weight_map.
Result<std::map<std::string, std::vector<std::string>>> ReadIndex(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, kMaxJsonBytes));
  const auto root = ParseJsonObject(text);
  if (!root) return Annotate(root.error(), path);
  const boost::json::value* const map = root->if_contains("weight_map");
  if (map == nullptr || !map->is_object()) return DataLoss("{}: key 'weight_map' is not an object", path);
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [tensor, shard] : map->get_object()) {
    if (!shard.is_string() || !IsPlainFileName(shard.get_string())) {
      return DataLoss("{}: tensor {}: {} is not the name of a file", path, Quoted(tensor), JsonText(shard));
    }
    shards[std::string(shard.get_string())].emplace_back(tensor);
  }
  if (shards.size() > kMaxShards)
    return DataLoss("{}: {} shards, the limit is {}", path, shards.size(), kMaxShards);
  return shards;
}

Status LoadShards(const fs::path& directory, const std::string& index, ModelParts& parts) {
  ASSIGN_OR_RETURN(const auto shards, ReadIndex(index));
  for (const auto& [shard, names] : shards) {
    const std::string path = directory / shard;
    ASSIGN_OR_RETURN(const auto file, SafetensorsFile::Open(path));
    parts.files.push_back(file->file());
    for (const std::string& name : names) {
      const TensorView* const tensor = file->Find(name);
      if (tensor == nullptr)
        return DataLoss("{}: tensor {} is missing; {} names it", path, Quoted(name), index);
      auto added = AddTensor(*tensor, parts);
      if (!added) return Annotate(added.error(), path);
    }
  }
  return OkStatus();
}

}  // namespace

Result<std::string> GgufNameOfHfTensor(std::string_view name) {
  constexpr std::string_view kLayers = "model.layers.";
  if (name.starts_with(kLayers)) {
    const std::string_view rest = name.substr(kLayers.size());
    const size_t dot = rest.find('.');
    const std::string_view layer = rest.substr(0, dot);
    const bool number = dot != std::string_view::npos && !layer.empty() && layer.size() <= kMaxLayerDigits &&
                        layer.find_first_not_of("0123456789") == std::string_view::npos;
    if (number) {
      const std::string_view part = rest.substr(dot + 1);
      if (part == "self_attn.rotary_emb.inv_freq")
        return std::string();  // in old checkpoints; derived from the config
      const std::string_view translated = Translate(kLayerNames, part);
      if (!translated.empty()) return fmt::format("blk.{}.{}", layer, translated);
    }
  }
  const std::string_view translated = Translate(kModelNames, name);
  if (translated.empty()) return Unimplemented("unknown tensor {}", Quoted(name));
  return std::string(translated);
}

Result<ModelParts> LoadHfModel(const std::string& directory) {
  const fs::path root(directory);
  ModelParts parts;
  parts.directory = directory;
  const std::string config_path = root / "config.json";
  ASSIGN_OR_RETURN(const std::string text, ReadTextFile(config_path, kMaxJsonBytes));
  auto config = ParseHfConfig(text);
  if (!config) return Annotate(config.error(), config_path);
  parts.config = *std::move(config);

  // As in transformers, a single file comes before shards.
  std::error_code error;
  const std::string single = root / "model.safetensors";
  const std::string index = root / "model.safetensors.index.json";
  if (fs::exists(single, error)) {
    RETURN_IF_ERROR(LoadSingle(single, parts));
  } else if (fs::exists(index, error)) {
    RETURN_IF_ERROR(LoadShards(root, index, parts));
  } else {
    return NotFound("{}: neither model.safetensors nor model.safetensors.index.json is there", directory);
  }
  return parts;
}

}  // namespace exeunt
