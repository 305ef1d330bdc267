// ModelSource: an opened model on disk (a GGUF file, or a Hugging Face directory) as one list of named
// tensors. Tensors are views of a memory map: nothing is read until it is touched, so a stage pays for its
// own layers only. Immutable after Open; thread-safe. Views live as long as the source.
//
// Names are GGUF's for both kinds of file:
//   token_embd.weight [vocab, d_model]     output_norm.weight [d_model]     output.weight [vocab, d_model]
//   (absent when tied) blk.N.attn_norm.weight [d_model]       blk.N.ffn_norm.weight [d_model]
//   blk.N.attn_{q,k,v}.weight [d_q | d_kv, d_model], .bias (Qwen2) [d_q | d_kv]
//   blk.N.attn_output.weight [d_model, d_q]
//   blk.N.attn_{q,k}_norm.weight [head_dim] (Qwen3)
//   blk.N.ffn_{gate,up}.weight [d_ff, d_model]     blk.N.ffn_down.weight [d_model, d_ff]
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernels/dtype.h"
#include "model/config.h"
#include "model/gguf_value.h"

namespace exeunt {

struct TensorView {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  // rows first: [n_out, n_in] for a matrix, row-major
  std::span<const std::byte> bytes;
};

class ModelSource {
 public:
  // Opens `path`, a .gguf file or a directory with config.json and *.safetensors, and validates every tensor
  // that the architecture needs: present, of the right shape, of a known type, inside the file. Errors name
  // file, tensor or key, value and limit.
  static Result<std::shared_ptr<const ModelSource>> Open(const std::string& path);

  virtual ~ModelSource() = default;
  virtual const ModelConfig& config() const = 0;
  // nullptr where the file has no such tensor.
  virtual const TensorView* Find(std::string_view name) const = 0;
  virtual const std::vector<TensorView>& tensors() const = 0;
  // GGUF metadata (tokenizer and chat template included); empty for a Hugging Face directory, where
  // tokenizer.json, tokenizer_config.json and generation_config.json lie in directory().
  virtual const GgufMetadata& metadata() const = 0;
  virtual const std::string& directory() const = 0;  // empty for GGUF
  // SHA-256 over the tensors' names, types, shapes and bytes, hex; computed at the first call. Binds exits to
  // a model.
  virtual std::string ContentHash() const = 0;
  // Tells the kernel that a tensor's pages will not be read again (after repacking).
  virtual void ReleasePages(const TensorView& tensor) const = 0;
};

}  // namespace exeunt
