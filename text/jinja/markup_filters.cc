// Jinja's filters for HTML and addresses.
#include <array>
#include <charconv>

#include "base/error.h"
#include "text/jinja/filters.h"
#include "text/jinja/methods.h"
#include "text/jinja/python_text.h"
#include "text/utf8.h"

namespace exeunt::text::jinja {
namespace {

Result<Value> Escape(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}));
  if (value.is_markup()) return value;
  ASSIGN_OR_RETURN(const std::string text, ToText(value, interpreter.budget()));
  RETURN_IF_ERROR(interpreter.budget()->Spend(text.size() / 16));
  return Value::Markup(EscapeHtml(text));
}

Result<Value> ForceEscape(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  return Escape(interpreter, value.is_markup() ? Value::String(value.string()) : value, arguments);
}

Result<Value> Safe(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}));
  ASSIGN_OR_RETURN(std::string text, ToText(value, interpreter.budget()));
  return Value::Markup(std::move(text));
}

// Removes the text between each `begin` and the next `end`.
std::string Without(std::string text, std::string_view begin, std::string_view end) {
  std::string out;
  size_t at = 0;
  while (true) {
    const size_t start = text.find(begin, at);
    const size_t stop = start == std::string::npos ? start : text.find(end, start);
    if (stop == std::string::npos) return out + text.substr(at);
    out += text.substr(at, start - at);
    at = stop + end.size();
  }
}

// Returns the character of "&name;" or "&#number;", or the text itself if it is no known entity.
std::string EntityText(std::string_view entity) {
  static constexpr std::array<std::pair<std::string_view, char32_t>, 10> kNames = {{{"amp", '&'},
                                                                                    {"lt", '<'},
                                                                                    {"gt", '>'},
                                                                                    {"quot", '"'},
                                                                                    {"apos", '\''},
                                                                                    {"nbsp", 0xA0},
                                                                                    {"copy", 0xA9},
                                                                                    {"hellip", 0x2026},
                                                                                    {"mdash", 0x2014},
                                                                                    {"ndash", 0x2013}}};
  const std::string_view name = entity.substr(1, entity.size() - 2);
  uint32_t code = 0;
  for (const auto& [known, character] : kNames) {
    if (known == name) code = character;
  }
  if (name.starts_with('#')) {
    const bool hex = name.size() > 1 && (name[1] | 0x20) == 'x';
    const std::string_view digits = name.substr(hex ? 2 : 1);
    const char* end = digits.data() + digits.size();
    const auto [at, error] = std::from_chars(digits.data(), end, code, hex ? 16 : 10);
    if (error != std::errc() || at != end) return std::string(entity);
    if (code == 0 || !IsScalarValue(code)) return std::string(kReplacementCharacter);
  }
  if (code == 0) return std::string(entity);
  std::string out;
  AppendUtf8(static_cast<char32_t>(code), &out);
  return out;
}

std::string Unescape(const std::string& text) {
  constexpr size_t kMaxEntity = 32;
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const std::string_view next = std::string_view(text).substr(at, kMaxEntity);
    const size_t end = text[at] == '&' ? next.find(';') : std::string_view::npos;
    if (end == std::string_view::npos) {
      out += text[at++];
      continue;
    }
    out += EntityText(next.substr(0, end + 1));
    at += end + 1;
  }
  return out;
}

Result<Value> StripTags(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}));
  ASSIGN_OR_RETURN(std::string text, ToText(value, interpreter.budget()));
  RETURN_IF_ERROR(interpreter.budget()->Spend(text.size()));
  text = Without(Without(std::move(text), "<!--", "-->"), "<", ">");
  std::string out;
  for (const std::string& word : SplitText(text, "", -1)) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  return Value::String(Unescape(out));
}

Result<Value> XmlAttr(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"autospace"}));
  if (value.is_undefined()) return value.UndefinedError();
  if (value.dict() == nullptr) return InvalidArgument("xmlattr of a {}", value.TypeName());
  std::string out;
  for (const auto& [key, item] : value.dict()->items) {
    if (item.is_none() || item.is_undefined()) continue;
    if (!key.is_string()) return InvalidArgument("xmlattr with a {} as a name", key.TypeName());
    if (key.string().find_first_of(" \t\n\r\f\v/>=") != std::string::npos)
      return InvalidArgument("xmlattr: the name '{}' has a character that it must not",
                             key.string().substr(0, 100));
    ASSIGN_OR_RETURN(const std::string text, ToText(item, interpreter.budget()));
    RETURN_IF_ERROR(interpreter.budget()->Spend(1 + key.string().size() / 16));
    if (!out.empty()) out += ' ';
    out += EscapeHtml(key.string()) + "=\"" + (item.is_markup() ? text : EscapeHtml(text)) + "\"";
  }
  const bool autospace = bound[0].is_undefined() || bound[0].Truthy();
  if (autospace && !out.empty()) out.insert(out.begin(), ' ');
  return interpreter.autoescape() ? Value::Markup(std::move(out)) : Value::String(std::move(out));
}

std::string UrlQuote(std::string_view text, bool in_query) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       std::string_view("_.-~").find(c) != std::string_view::npos || (c == '/' && !in_query);
    if (plain) {
      out += c;
    } else if (c == ' ' && in_query) {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", static_cast<uint8_t>(c));
    }
  }
  return out;
}

Result<Value> UrlEncode(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}));
  Budget* budget = interpreter.budget();
  const bool pairs = value.list() != nullptr || value.dict() != nullptr || value.sequence() != nullptr;
  if (!pairs) {
    ASSIGN_OR_RETURN(const std::string text, ToText(value, budget));
    RETURN_IF_ERROR(budget->Spend(text.size()));
    return Value::String(UrlQuote(text, false));
  }
  Value items = value;
  if (value.dict() != nullptr) {
    ASSIGN_OR_RETURN(items, CallMethod(interpreter, value, "items", {}));
  }
  ASSIGN_OR_RETURN(const std::vector<Value> entries, Iterate(items, budget));
  std::string out;
  for (const Value& entry : entries) {
    ASSIGN_OR_RETURN(const std::vector<Value> pair, Iterate(entry, budget));
    if (pair.size() != 2) return InvalidArgument("urlencode: an entry of {} parts instead of 2", pair.size());
    ASSIGN_OR_RETURN(const std::string key, ToText(pair[0], budget));
    ASSIGN_OR_RETURN(const std::string text, ToText(pair[1], budget));
    RETURN_IF_ERROR(budget->Spend(key.size() + text.size()));
    if (!out.empty()) out += '&';
    out += UrlQuote(key, true) + '=' + UrlQuote(text, true);
  }
  return Value::String(std::move(out));
}

Result<Value> Urlize(Interpreter&, const Value&, const Arguments&) {
  return Unimplemented("the filter 'urlize' is not supported: it makes HTML links, which prompts have not");
}

constexpr std::array kFilters = {
    NamedFilter{"escape", Escape},           NamedFilter{"e", Escape},
    NamedFilter{"forceescape", ForceEscape}, NamedFilter{"safe", Safe},
    NamedFilter{"striptags", StripTags},     NamedFilter{"xmlattr", XmlAttr},
    NamedFilter{"urlencode", UrlEncode},     NamedFilter{"urlize", Urlize},
};

}  // namespace

std::span<const NamedFilter> MarkupFilters() { return kFilters; }

}  // namespace exeunt::text::jinja
