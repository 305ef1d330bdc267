// A Normalizer is one step that rewrites text before it is split, as listed in tokenizer.json's "normalizer".
// Immutable. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/charsmap.h"
#include "text/regex.h"

namespace exeunt::text {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  // `text` is well-formed UTF-8 and stays so.
  virtual void Apply(std::string* text, RegexScratch* scratch) const = 0;
};

using Normalizers = std::vector<std::unique_ptr<Normalizer>>;

enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };

std::unique_ptr<Normalizer> MakeUnicodeNormalizer(UnicodeForm form);
std::unique_ptr<Normalizer> MakeLowercase();
std::unique_ptr<Normalizer> MakeStrip(bool left, bool right);
std::unique_ptr<Normalizer> MakeStripAccents();
std::unique_ptr<Normalizer> MakeNmt();
// Puts `prefix` in front of text that is not empty.
std::unique_ptr<Normalizer> MakePrepend(std::string prefix);
std::unique_ptr<Normalizer> MakeReplace(Regex pattern, std::string content);
std::unique_ptr<Normalizer> MakePrecompiled(Charsmap charsmap);
// Replaces every byte by GPT-2's character for it.
std::unique_ptr<Normalizer> MakeByteLevelNormalizer();

// Applies the normalizers in order. Text that has grown out of all proportion is not changed any further. A
// file's replacements could double it step by step.
void ApplyAll(const Normalizers& normalizers, std::string* text, RegexScratch* scratch);

}  // namespace exeunt::text
