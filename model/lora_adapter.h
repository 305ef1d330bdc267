// LoraAdapter is a PEFT LoRA directory (adapter_config.json, adapter_model.safetensors). Its deltas are
// merged into a model's matrices when these are loaded: W + s B A, with s = lora_alpha / r, or lora_alpha /
// sqrt(r) with use_rslora (arXiv 2106.09685, 2312.03732). Tensors are views of a memory map. All are read
// once to find numbers that are not finite. A stage merges, and keeps in memory, only the tensors of its own
// layers. Immutable after Open. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernels/dtype.h"
#include "model/config.h"
#include "model/safetensors.h"
#include "model/tensor_table.h"

namespace exeunt {

// The delta of an adapter for one matrix [n, k].
class LoraDelta {
 public:
  // a: [rank, k]. b: [n, rank], multiplied by the scale, with its rows in the order of the model's.
  LoraDelta(std::vector<float> a, std::vector<float> b, size_t rank)
      : a_(std::move(a)), b_(std::move(b)), rank_(rank) {}
  // Adds row `row` of B A to dst: [k].
  void AddRow(size_t row, float* dst) const;

 private:
  std::vector<float> a_;
  std::vector<float> b_;
  size_t rank_;
};

// The operator's options for an adapter.
struct AdapterOptions {
  std::string directory;  // "" for none
  // The type of merged matrices: F32, F16, BF16, Q8_0, Q4_0 or Q4_1. With auto quantised matrices become Q8_0
  // and others keep their type.
  std::string type = "auto";
};

class LoraAdapter {
 public:
  // Opens the adapter for the model of `config` and `tensors`, which have GGUF's names. A key or tensor that
  // changes the computation in a way that is not supported is always an error. A number that is not finite is
  // an error, too. Errors name file, key or tensor, value and limit.
  static Result<std::shared_ptr<const LoraAdapter>> Open(const AdapterOptions& options,
                                                         const ModelConfig& config,
                                                         const TensorTable& tensors);

  // Returns the delta of a matrix by GGUF's name, or nothing if the matrix stays unchanged.
  std::optional<LoraDelta> Load(std::string_view tensor) const;
  // Returns the type of a merged matrix.
  DType MergedType(DType stored) const;
  // Returns the SHA-256 of the tensors, their scale and the type of merged matrices, as hex.
  std::string ContentHash() const;

 private:
  struct Pair {
    const TensorView* a = nullptr;
    const TensorView* b = nullptr;
    int rotated_heads = 0;  // heads of Q or K whose rows GGUF interleaves; 0: rows in the file's order
  };
  LoraAdapter() = default;

  double alpha_ = 0;
  bool rank_stabilised_ = false;
  std::optional<DType> type_;
  std::shared_ptr<const SafetensorsFile> file_;
  std::map<std::string, Pair, std::less<>> pairs_;
};

}  // namespace exeunt
