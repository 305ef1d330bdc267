// The common code of the expression parser's two parts. It makes nodes and counts the depth of recursion.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "text/jinja/ast.h"

namespace exeunt::text::jinja {

// The limit of nested brackets, unary operators and the like, for which the parser recurses.
inline constexpr int kMaxNesting = 96;

template <typename... T>
std::vector<ExprPtr> Args(T... args) {
  std::vector<ExprPtr> list;
  (list.push_back(std::move(args)), ...);
  return list;
}

class Nesting {
 public:
  explicit Nesting(int* depth) : depth_(depth) { ++*depth_; }
  ~Nesting() { --*depth_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  int* depth_;
};

inline ExprPtr Constant(int line, Value value) {
  auto node = std::make_unique<Expr>();
  node->line = line;
  node->constant = std::move(value);
  return node;
}

}  // namespace exeunt::text::jinja
