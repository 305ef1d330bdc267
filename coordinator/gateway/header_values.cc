#include "coordinator/gateway/header_values.h"

#include <algorithm>

namespace exeunt::coordinator {
namespace {

char LowerCase(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = LowerCase(c);
  return lower;
}

bool EqualsInAnyCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return LowerCase(x) == LowerCase(y); });
}

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

bool IsTokenCharacter(char c) {
  const char lower = LowerCase(c);
  return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

std::vector<std::string_view> ElementsOf(std::string_view list) {
  std::vector<std::string_view> elements;
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    if (const std::string_view element = Trimmed(list.substr(0, end)); !element.empty())
      elements.push_back(element);
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return elements;
}

bool HasElement(std::string_view list, std::string_view name) {
  const auto elements = ElementsOf(list);
  return std::any_of(elements.begin(), elements.end(),
                     [name](std::string_view element) { return EqualsInAnyCase(element, name); });
}

std::string MediaTypeOf(std::string_view content_type) {
  return LowerCase(Trimmed(content_type.substr(0, content_type.find(';'))));
}

bool IsJsonType(std::string_view content_type) {
  const std::string type = MediaTypeOf(content_type);
  const size_t slash = std::min(type.find('/'), type.size());
  return type.find("json", slash) != std::string::npos;
}

}  // namespace exeunt::coordinator
