#include "text/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>

#include "base/check.h"
#include "text/byte_level.h"
#include "text/unicode_age.h"
#include "text/utf8.h"

namespace exeunt::text {
namespace {

constexpr size_t kMaxGrowth = 16;

// Calls f(code, bytes of the character) for each character.
template <typename F>
void ForEachCharacter(std::string_view text, F f) {
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(text.substr(at));
    f(c.code, text.substr(at, c.size));
    at += c.size;
  }
}

bool IsAscii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<uint8_t>(c) >= 0x80) return false;
  }
  return true;
}

class UnicodeNormalizer : public Normalizer {
 public:
  explicit UnicodeNormalizer(UnicodeForm form) {
    const bool compose = form == UnicodeForm::kNfc || form == UnicodeForm::kNfkc;
    const bool compatible = form == UnicodeForm::kNfkc || form == UnicodeForm::kNfkd;
    options_ = UTF8PROC_STABLE | (compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
               (compatible ? UTF8PROC_COMPAT : 0);
  }
  void Apply(std::string* text, RegexScratch*) const override {
    if (IsAscii(*text)) return;
    std::string out;
    size_t begin = 0;  // start of the text that is not mapped yet
    size_t at = 0;
    ForEachCharacter(*text, [&](char32_t code, std::string_view bytes) {
      if (NormalizesSinceUnicode10(code)) {
        AppendMapped(std::string_view(*text).substr(begin, at - begin), &out);
        out.append(bytes);
        begin = at + bytes.size();
      }
      at += bytes.size();
    });
    AppendMapped(std::string_view(*text).substr(begin), &out);
    *text = std::move(out);
  }

 private:
  void AppendMapped(std::string_view text, std::string* out) const {
    if (text.empty()) return;
    utf8proc_uint8_t* mapped = nullptr;
    const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                   static_cast<utf8proc_ssize_t>(text.size()), &mapped,
                                   static_cast<utf8proc_option_t>(options_));
    CHECK_GE(size, 0);
    out->append(reinterpret_cast<const char*>(mapped), static_cast<size_t>(size));
    std::free(mapped);
  }

  int options_ = 0;
};

class Lowercase : public Normalizer {
 public:
  void Apply(std::string* text, RegexScratch*) const override {
    std::string out;
    out.reserve(text->size());
    ForEachCharacter(*text, [&](char32_t code, std::string_view) {
      if (code == 0x130) {
        out += "i\xCC\x87";  // the only capital whose lower case has two characters
      } else {
        AppendUtf8(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code))), &out);
      }
    });
    *text = std::move(out);
  }
};

class Strip : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}
  void Apply(std::string* text, RegexScratch*) const override {
    size_t begin = text->size();
    size_t end = 0;
    size_t at = 0;
    ForEachCharacter(*text, [&](char32_t code, std::string_view bytes) {
      if (!IsWhitespace(code)) {
        if (begin > at) begin = at;
        end = at + bytes.size();
      }
      at += bytes.size();
    });
    if (left_) text->erase(0, begin);
    if (right_) text->resize(left_ ? end - std::min(begin, end) : end);
  }

 private:
  bool left_;
  bool right_;
};

class StripAccents : public Normalizer {
 public:
  void Apply(std::string* text, RegexScratch*) const override {
    std::string out;
    ForEachCharacter(*text, [&](char32_t code, std::string_view bytes) {
      const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(code));
      if (category < UTF8PROC_CATEGORY_MN || category > UTF8PROC_CATEGORY_ME) out.append(bytes);
    });
    *text = std::move(out);
  }
};

// The clean-up of neural machine translation. It removes control characters and replaces odd white space by a
// space.
class Nmt : public Normalizer {
 public:
  void Apply(std::string* text, RegexScratch*) const override {
    std::string out;
    ForEachCharacter(*text, [&](char32_t c, std::string_view bytes) {
      if ((c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F ||
          c == 0x9F) {
        return;
      }
      const bool space = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
                         (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                         c == 0xFEFF || c == 0xFFFD;
      out.append(space ? " " : bytes);
    });
    *text = std::move(out);
  }
};

class Prepend : public Normalizer {
 public:
  explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}
  void Apply(std::string* text, RegexScratch*) const override {
    if (!text->empty()) text->insert(0, prefix_);
  }

 private:
  std::string prefix_;
};

class Replace : public Normalizer {
 public:
  Replace(Regex pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void Apply(std::string* text, RegexScratch* scratch) const override {
    if (text->empty()) return;
    std::string out;
    size_t copied = 0;
    const size_t limit = kMaxGrowth * text->size() + 65536;
    for (const TextRange match : pattern_.FindAll(*text, scratch)) {
      if (out.size() > limit) break;
      out.append(*text, copied, match.begin - copied).append(content_);
      copied = match.end;
    }
    *text = out.append(*text, copied);
  }

 private:
  Regex pattern_;
  std::string content_;
};

class Precompiled : public Normalizer {
 public:
  explicit Precompiled(Charsmap charsmap) : charsmap_(std::move(charsmap)) {}
  void Apply(std::string* text, RegexScratch*) const override { *text = charsmap_.Normalize(*text); }

 private:
  Charsmap charsmap_;
};

class ByteLevelNormalizer : public Normalizer {
 public:
  void Apply(std::string* text, RegexScratch*) const override {
    std::string out;
    AppendByteLevel(*text, &out);
    *text = std::move(out);
  }
};

}  // namespace

std::unique_ptr<Normalizer> MakeUnicodeNormalizer(UnicodeForm form) {
  return std::make_unique<UnicodeNormalizer>(form);
}
std::unique_ptr<Normalizer> MakeLowercase() { return std::make_unique<Lowercase>(); }
std::unique_ptr<Normalizer> MakeStrip(bool left, bool right) { return std::make_unique<Strip>(left, right); }
std::unique_ptr<Normalizer> MakeStripAccents() { return std::make_unique<StripAccents>(); }
std::unique_ptr<Normalizer> MakeNmt() { return std::make_unique<Nmt>(); }
std::unique_ptr<Normalizer> MakePrepend(std::string prefix) {
  return std::make_unique<Prepend>(std::move(prefix));
}
std::unique_ptr<Normalizer> MakeReplace(Regex pattern, std::string content) {
  return std::make_unique<Replace>(std::move(pattern), std::move(content));
}
std::unique_ptr<Normalizer> MakePrecompiled(Charsmap charsmap) {
  return std::make_unique<Precompiled>(std::move(charsmap));
}
std::unique_ptr<Normalizer> MakeByteLevelNormalizer() { return std::make_unique<ByteLevelNormalizer>(); }

void ApplyAll(const Normalizers& normalizers, std::string* text, RegexScratch* scratch) {
  const size_t limit = kMaxGrowth * text->size() + 65536;
  for (const auto& normalizer : normalizers) {
    if (text->size() <= limit) normalizer->Apply(text, scratch);
  }
}

}  // namespace exeunt::text
