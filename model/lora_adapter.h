// LoraAdapter: a PEFT LoRA directory (adapter_config.json, adapter_model.safetensors), merged into a model's
// matrices as they are loaded: W + s B A, s = lora_alpha / r, or lora_alpha / sqrt(r) with use_rslora
// (arXiv 2106.09685, 2312.03732). Tensors are views of a memory map: all are read once, for numbers that
// are not finite; a stage merges, and keeps in memory, only what belongs to its own layers. Immutable after
// Open; thread-safe.
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

// What an adapter adds to one matrix [n, k].
class LoraDelta {
 public:
  // a: [rank, k]; b: [n, rank], with the scale in it, its rows in the order of the model's.
  LoraDelta(std::vector<float> a, std::vector<float> b, size_t rank)
      : a_(std::move(a)), b_(std::move(b)), rank_(rank) {}
  // Adds row `row` of B A to dst: [k].
  void AddRow(size_t row, float* dst) const;

 private:
  std::vector<float> a_;
  std::vector<float> b_;
  size_t rank_;
};

// What an operator says of it.
struct AdapterOptions {
  std::string directory;      // "": none
  std::string type = "auto";  // of merged matrices: F32, F16, BF16, Q8_0, Q4_0 or Q4_1; auto: quantised ones
                              // become Q8_0, others keep theirs
};

class LoraAdapter {
 public:
  // For the model of `config` and `tensors`, whose names are GGUF's. A key or tensor that changes what the
  // model computes in a way that is not built here is an error, never ignored, and so is a number
  // that is not finite. Errors name file, key or tensor, value and limit.
  static Result<std::shared_ptr<const LoraAdapter>> Open(const AdapterOptions& options,
                                                         const ModelConfig& config,
                                                         const TensorTable& tensors);

  // What is added to a matrix, by GGUF's name; nothing where it stays as it is.
  std::optional<LoraDelta> Load(std::string_view tensor) const;
  // The type that a matrix is merged into.
  DType MergedType(DType stored) const;
  // SHA-256 of the tensors, their scale and the type they are merged into, hex.
  std::string ContentHash() const;

 private:
  struct Pair {
    const TensorView* a = nullptr;
    const TensorView* b = nullptr;
    int rotated_heads = 0;  // heads of Q or K whose rows GGUF stores in turns; 0: rows as they are
  };
  LoraAdapter() = default;

  double alpha_ = 0;
  bool rank_stabilised_ = false;
  std::optional<DType> type_;
  std::shared_ptr<const SafetensorsFile> file_;
  std::map<std::string, Pair, std::less<>> pairs_;
};

}  // namespace exeunt
