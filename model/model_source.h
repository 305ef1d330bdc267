// ModelSource is an opened model on disk, a GGUF file or a Hugging Face directory, as one list of named
// tensors. Tensors are views of a memory map. Nothing is read before it is touched, so that a stage only pays
// for its own layers. Immutable after Open. Thread-safe. Views are valid during the life of the source.
//
// Names are GGUF's for both kinds of file:
//   token_embd.weight               [vocab, d_model]
//   blk.N.attn_norm.weight          [d_model]
//   blk.N.attn_{q,k,v}.weight       [d_q | d_kv, d_model]
//   blk.N.attn_{q,k,v}.bias         [d_q | d_kv]             Qwen2
//   blk.N.attn_{q,k}_norm.weight    [head_dim]               Qwen3
//   blk.N.attn_output.weight        [d_model, d_q]
//   blk.N.ffn_norm.weight           [d_model]
//   blk.N.ffn_{gate,up}.weight      [d_ff, d_model]
//   blk.N.ffn_down.weight           [d_model, d_ff]
//   output_norm.weight              [d_model]
//   output.weight                   [vocab, d_model]         absent where it is tied to token_embd.weight
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mmap.h"
#include "base/result.h"
#include "model/config.h"
#include "model/lora_adapter.h"
#include "model/model_parts.h"

namespace exeunt {

// The operator's replacements for settings of the file.
struct ModelOverrides {
  std::string rope_scaling;  // JSON object like config.json's rope_scaling; "": the file's
  int context_length = 0;    // positions; 0: the file's, after RoPE scaling
};

class ModelSource {
 public:
  // Opens `path` and validates the tensors. `path` is a .gguf file (the first part of a split model) or a
  // directory with config.json and *.safetensors. Every tensor that the architecture needs must be present,
  // have the right shape and a known type, and lie inside the file. Errors name file, tensor or key, value
  // and limit.
  static Result<std::shared_ptr<const ModelSource>> Open(const std::string& path,
                                                         const AdapterOptions& adapter = {},
                                                         const ModelOverrides& overrides = {});

  const ModelConfig& config() const { return parts_.config; }
  // Returns a tensor as the file has it, without the adapter, or nullptr if the file has no such tensor.
  const TensorView* Find(std::string_view name) const { return parts_.tensors.Find(name); }
  const std::vector<TensorView>& tensors() const { return parts_.tensors.all(); }
  const LoraAdapter* adapter() const { return adapter_.get(); }  // nullptr if there is none
  // Returns the GGUF metadata with tokenizer and chat template. It is empty for a Hugging Face directory,
  // where tokenizer.json, tokenizer_config.json and generation_config.json lie in directory().
  const GgufMetadata& metadata() const { return parts_.metadata; }
  const std::string& directory() const { return parts_.directory; }  // empty for GGUF
  // Returns a SHA-256 as hex that binds exits to a model. It covers the tensors' names, types, shapes and
  // bytes, the adapter with the type of merged matrices, and a RoPE scaling that overrides the file's. It is
  // computed at the first call.
  std::string ContentHash() const;
  // Tells the kernel that a tensor's pages will not be read again, as after repacking.
  void ReleasePages(const TensorView& tensor) const { exeunt::ReleasePages(tensor.bytes); }

 private:
  explicit ModelSource(ModelParts parts) : parts_(std::move(parts)) {}
  std::string ComputeHash() const;

  ModelParts parts_;
  std::shared_ptr<const LoraAdapter> adapter_;
  std::string rope_override_;
  mutable std::once_flag hashed_;
  mutable std::string hash_;
};

}  // namespace exeunt
