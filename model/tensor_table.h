// TensorTable holds tensors by name, in the order of their file. It is a plain value. Copies are equal. Const
// use is thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/dtype.h"

namespace exeunt {

struct TensorView {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  // rows first: [n_out, n_in] for a matrix, row-major
  std::span<const std::byte> bytes;
};

class TensorTable {
 public:
  // Returns false and changes nothing if there is a tensor of that name already.
  bool Add(TensorView tensor) {
    if (!by_name_.emplace(tensor.name, all_.size()).second) return false;
    all_.push_back(std::move(tensor));
    return true;
  }

  // Returns nullptr if there is no such tensor. The pointer is valid until the next Add.
  const TensorView* Find(std::string_view name) const {
    const auto it = by_name_.find(name);
    return it == by_name_.end() ? nullptr : &all_[it->second];
  }

  const std::vector<TensorView>& all() const { return all_; }

 private:
  std::vector<TensorView> all_;
  std::map<std::string, size_t, std::less<>> by_name_;
};

}  // namespace exeunt
