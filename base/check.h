// CHECK macros report a programmer's mistake. They are active in every build. A failed check prints file,
// line, condition and values, then aborts.
#pragma once

#include <fmt/format.h>

#include <string>
#include <type_traits>

namespace exeunt::internal {

[[noreturn]] void CheckFailed(const char* file, int line, const std::string& what);

template <typename T>
std::string CheckValue(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return fmt::format("{}", static_cast<long long>(value));
  } else if constexpr (fmt::is_formattable<T>::value) {
    return fmt::format("{}", value);
  } else {
    return "?";
  }
}

}  // namespace exeunt::internal

#define CHECK(cond)                                                            \
  do {                                                                         \
    if (!(cond)) [[unlikely]]                                                  \
      ::exeunt::internal::CheckFailed(__FILE__, __LINE__, "CHECK(" #cond ")"); \
  } while (false)

// The message is an fmt format: CHECK_MSG(n < limit, "row {} of {}", n, limit).
#define CHECK_MSG(cond, ...)                                                                                \
  do {                                                                                                      \
    if (!(cond)) [[unlikely]]                                                                               \
      ::exeunt::internal::CheckFailed(__FILE__, __LINE__, "CHECK(" #cond "): " + fmt::format(__VA_ARGS__)); \
  } while (false)

#define EXEUNT_CHECK_OP(op, a, b)                                                                         \
  do {                                                                                                    \
    const auto& check_a = (a);                                                                            \
    const auto& check_b = (b);                                                                            \
    if (!(check_a op check_b)) [[unlikely]]                                                               \
      ::exeunt::internal::CheckFailed(                                                                    \
          __FILE__, __LINE__,                                                                             \
          fmt::format("CHECK({} {} {}): {} against {}", #a, #op, #b,                                      \
                      ::exeunt::internal::CheckValue(check_a), ::exeunt::internal::CheckValue(check_b))); \
  } while (false)

#define CHECK_EQ(a, b) EXEUNT_CHECK_OP(==, a, b)
#define CHECK_NE(a, b) EXEUNT_CHECK_OP(!=, a, b)
#define CHECK_LT(a, b) EXEUNT_CHECK_OP(<, a, b)
#define CHECK_LE(a, b) EXEUNT_CHECK_OP(<=, a, b)
#define CHECK_GT(a, b) EXEUNT_CHECK_OP(>, a, b)
#define CHECK_GE(a, b) EXEUNT_CHECK_OP(>=, a, b)
