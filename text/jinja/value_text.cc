// Converts values to text with Python's str and repr, and with json.dumps.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "text/jinja/ast.h"
#include "text/jinja/python_text.h"
#include "text/jinja/value.h"
#include "text/utf8.h"

namespace exeunt::text::jinja {
namespace {

// repr of a string.
std::string Quote(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const bool has_double = text.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  std::string out(1, quote);
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(text.substr(at));
    const char32_t code = c.code;
    if (code == static_cast<char32_t>(quote) || code == '\\') {
      out += '\\';
      out += static_cast<char>(code);
    } else if (code == '\n' || code == '\r' || code == '\t') {
      out += code == '\n' ? "\\n" : code == '\r' ? "\\r" : "\\t";
    } else if (IsPrintable(code)) {
      out += text.substr(at, c.size);
    } else if (code < 0x100) {
      out += fmt::format("\\x{:02x}", static_cast<uint32_t>(code));
    } else if (code < 0x10000) {
      out += fmt::format("\\u{:04x}", static_cast<uint32_t>(code));
    } else {
      out += fmt::format("\\U{:08x}", static_cast<uint32_t>(code));
    }
    at += c.size;
  }
  return out + quote;
}

// Writes one value after another and spends budget as the text grows.
class Writer {
 public:
  Writer(const JsonOptions* json, Budget* budget) : json_(json), budget_(budget) {}
  std::string Take() { return std::move(out_); }
  Status Write(const Value& value, int level);

 private:
  Status Put(std::string_view text);
  std::string NewLine(int level) const;
  Status WriteList(const Value& value, int level);
  Status WriteDict(const Value& value, int level);
  Status WriteKey(const Value& key);
  Status WriteOther(const Value& value, int level);
  std::string Scalar(const Value& value) const;
  std::string JsonString(std::string_view text) const;
  Status Separate(bool first, int level);
  Status Close(std::string_view text, bool empty, int level);

  const JsonOptions* json_;  // nullptr for repr
  Budget* budget_;
  std::string out_;
};

Status Writer::Put(std::string_view text) {
  RETURN_IF_ERROR(budget_->Spend(1 + text.size() / 16));
  out_.append(text);
  return OkStatus();
}

std::string Writer::NewLine(int level) const {
  std::string text = "\n";
  for (int i = 0; i < level; ++i) text += *json_->indent;
  return text;
}

std::string Writer::JsonString(std::string_view text) const {
  std::string out = "\"";
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(text.substr(at));
    const auto code = static_cast<uint32_t>(c.code);
    static constexpr std::string_view kEscaped = "\"\\\n\r\t\b\f";
    static constexpr std::string_view kLetters = "\"\\nrtbf";
    const size_t known = code < 0x80 ? kEscaped.find(static_cast<char>(code)) : std::string_view::npos;
    if (known != std::string_view::npos) {
      out += {'\\', kLetters[known]};
    } else if (code < 0x20 || (json_->ensure_ascii && code >= 0x7F && code < 0x10000)) {
      out += fmt::format("\\u{:04x}", code);
    } else if (json_->ensure_ascii && code >= 0x10000) {
      out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((code - 0x10000) >> 10),
                         0xDC00 + ((code - 0x10000) & 0x3FF));
    } else {
      out += text.substr(at, c.size);
    }
    at += c.size;
  }
  return out + '"';
}

std::string Writer::Scalar(const Value& value) const {
  if (value.is_none()) return json_ != nullptr ? "null" : "None";
  if (value.is_bool()) {
    return value.boolean() ? (json_ != nullptr ? "true" : "True") : (json_ != nullptr ? "false" : "False");
  }
  if (value.is_int()) return fmt::format("{}", value.integer());
  if (value.is_float()) {
    if (json_ != nullptr && std::isinf(value.number())) return value.number() > 0 ? "Infinity" : "-Infinity";
    if (json_ != nullptr && std::isnan(value.number())) return "NaN";
    return FloatText(value.number());
  }
  return json_ != nullptr ? JsonString(value.string()) : Quote(value.string());
}

Status Writer::Separate(bool first, int level) {
  if (json_ == nullptr) return Put(first ? "" : ", ");
  if (!first) {
    RETURN_IF_ERROR(Put(json_->item_separator.value_or(json_->indent ? "," : ", ")));
  }
  if (!json_->indent) return OkStatus();
  return Put(NewLine(level));
}

Status Writer::Close(std::string_view text, bool empty, int level) {
  if (json_ != nullptr && json_->indent && !empty) {
    RETURN_IF_ERROR(Put(NewLine(level)));
  }
  return Put(text);
}

Status Writer::WriteList(const Value& value, int level) {
  const bool tuple = value.is_tuple() && json_ == nullptr;
  const auto& items = value.list()->items;
  RETURN_IF_ERROR(Put(tuple ? "(" : "["));
  for (size_t i = 0; i < items.size(); ++i) {
    RETURN_IF_ERROR(Separate(i == 0, level + 1));
    RETURN_IF_ERROR(Write(items[i], level + 1));
  }
  return Close(tuple ? (items.size() == 1 ? ",)" : ")") : "]", items.empty(), level);
}

Status Writer::WriteKey(const Value& key) {
  if (json_ == nullptr) return Write(key, 0);
  if (key.is_string()) return Put(Scalar(key));
  if (!key.is_none() && !key.is_number()) return InvalidArgument("a {} as a key in JSON", key.TypeName());
  return Put(fmt::format("\"{}\"", Scalar(key)));
}

Status Writer::WriteDict(const Value& value, int level) {
  std::vector<std::pair<Value, Value>> items = value.dict()->items;
  if (json_ != nullptr && json_->sort_keys) {
    for (const auto& [key, unused] : items) {
      if (!key.is_string()) return InvalidArgument("keys to sort that are not all strings");
    }
    std::ranges::stable_sort(items, {}, [](const auto& item) { return item.first.string(); });
  }
  RETURN_IF_ERROR(Put("{"));
  for (size_t i = 0; i < items.size(); ++i) {
    RETURN_IF_ERROR(Separate(i == 0, level + 1));
    RETURN_IF_ERROR(WriteKey(items[i].first));
    RETURN_IF_ERROR(Put(json_ != nullptr ? json_->key_separator : ": "));
    RETURN_IF_ERROR(Write(items[i].second, level + 1));
  }
  return Close("}", items.empty(), level);
}

Status Writer::Write(const Value& value, int level) {
  if (value.list() != nullptr) return WriteList(value, level);
  if (value.dict() != nullptr) return WriteDict(value, level);
  if (value.is_none() || value.is_number() || value.is_string()) {
    if (value.is_string()) RETURN_IF_ERROR(budget_->Spend(value.string().size() / 16));
    if (value.is_markup() && json_ == nullptr) return Put(fmt::format("Markup({})", Quote(value.string())));
    return Put(Scalar(value));
  }
  if (json_ == nullptr) return WriteOther(value, level);
  if (value.is_undefined()) return value.UndefinedError();
  return InvalidArgument("a {} has no JSON", value.TypeName());
}

// Writes what Python prints for values that are not plain data, without memory addresses.
Status Writer::WriteOther(const Value& value, int level) {
  if (value.is_undefined()) return Put("Undefined");
  if (const Sequence* sequence = value.sequence()) {
    if (sequence->kind == Sequence::Kind::kGenerator) return Put("<generator>");
    if (sequence->kind == Sequence::Kind::kRange) return Put(sequence->text);
    ASSIGN_OR_RETURN(const Value list, Value::List(sequence->items));
    RETURN_IF_ERROR(Put(value.TypeName()));
    RETURN_IF_ERROR(Put("("));
    RETURN_IF_ERROR(WriteList(list, level));
    return Put(")");
  }
  if (const Namespace* space = value.space()) {
    std::vector<std::pair<Value, Value>> items;
    for (const auto& [name, attribute] : space->attributes)
      items.emplace_back(Value::String(name), attribute);
    ASSIGN_OR_RETURN(const Value dict, Value::Dict(std::move(items), budget_));
    RETURN_IF_ERROR(Put("<Namespace "));
    RETURN_IF_ERROR(WriteDict(dict, level));
    return Put(">");
  }
  if (const LoopState* loop = value.loop())
    return Put(fmt::format("<LoopContext {}/{}>", loop->index0 + 1, loop->items->size()));
  if (const BoundMacro* macro = value.macro()) {
    const std::string& name = macro->definition->name;
    return Put(name.empty() ? "<Macro anonymous>" : fmt::format("<Macro {}>", Quote(name)));
  }
  return Put(value.is_self() ? "<TemplateReference None>" : fmt::format("<{}>", value.TypeName()));
}

}  // namespace

std::string FloatText(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::array<char, 64> buffer{};
  const double size = std::fabs(value);
  const bool plain = value == 0.0 || (size >= 1e-4 && size < 1e16);
  const auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format).ptr;
  std::string text(buffer.data(), end);
  if (plain && text.find('.') == std::string::npos) text += ".0";
  return text;
}

Result<std::string> ToRepr(const Value& value, Budget* budget) {
  Writer writer(nullptr, budget);
  RETURN_IF_ERROR(writer.Write(value, 0));
  return writer.Take();
}

Result<std::string> ToAscii(const Value& value, Budget* budget) {
  ASSIGN_OR_RETURN(const std::string text, ToRepr(value, budget));
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(std::string_view(text).substr(at));
    const auto code = static_cast<uint32_t>(c.code);
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else {
      out += code < 0x100     ? fmt::format("\\x{:02x}", code)
             : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                              : fmt::format("\\U{:08x}", code);
    }
    at += c.size;
  }
  return out;
}

std::string EscapeHtml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    static constexpr std::string_view kSpecial = "&<>'\"";
    static constexpr std::array<const char*, 5> kEntities = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    const size_t at = kSpecial.find(c);
    if (at == std::string_view::npos) {
      out += c;
    } else {
      out += kEntities[at];
    }
  }
  return out;
}

Result<std::string> ToText(const Value& value, Budget* budget) {
  if (value.is_undefined()) return std::string();
  if (value.is_string()) {
    RETURN_IF_ERROR(budget->Spend(value.string().size() / 16));
    return value.string();
  }
  return ToRepr(value, budget);
}

Result<std::string> ToJson(const Value& value, const JsonOptions& options, Budget* budget) {
  Writer writer(&options, budget);
  RETURN_IF_ERROR(writer.Write(value, 0));
  return writer.Take();
}

}  // namespace exeunt::text::jinja
