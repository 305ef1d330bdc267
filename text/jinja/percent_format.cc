// "%s" % value: https://docs.python.org/3/library/stdtypes.html#printf-style-string-formatting
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "text/jinja/number_format.h"
#include "text/jinja/text_format.h"
#include "text/utf8.h"

namespace exeunt::text::jinja {
namespace {

class Formatter {
 public:
  Formatter(std::string_view format, const Value& values, Budget* budget);
  Result<std::string> Run();

 private:
  bool At(char c) const { return at_ < format_.size() && format_[at_] == c; }
  Status Convert();
  Status ReadKey();
  void ReadFlags();
  // Reads a number, or '*' for the next value.
  Result<int64_t> ReadNumber(std::string_view what);
  Result<Value> Next();
  Result<std::string> Text(char type, const Value& value);
  Result<std::string> Number(char type, const Value& value);
  Result<std::string> Integer(char type, const Value& value);
  Result<std::string> Character(const Value& value);
  std::string Field(const std::string& sign, const std::string& text, bool number) const;

  std::string_view format_;
  const Value& values_;
  std::vector<Value> items_;
  bool is_mapping_ = false;
  Budget* budget_;
  size_t at_ = 0;
  size_t used_ = 0;
  std::string out_;
  // The state of one conversion.
  std::optional<Value> keyed_;
  std::string flags_;
  int64_t width_ = 0;
  int64_t precision_ = -1;
};

Formatter::Formatter(std::string_view format, const Value& values, Budget* budget)
    : format_(format), values_(values), budget_(budget) {
  items_ = values.is_tuple() ? values.list()->items : std::vector<Value>{values};
  const bool is_range = values.sequence() != nullptr && values.sequence()->kind == Sequence::Kind::kRange;
  is_mapping_ = values.dict() != nullptr || (values.list() != nullptr && !values.is_tuple()) ||
                values.is_undefined() || is_range;
}

Result<std::string> Formatter::Run() {
  while (at_ < format_.size()) {
    const size_t percent = std::min(format_.find('%', at_), format_.size());
    out_ += format_.substr(at_, percent - at_);
    at_ = percent + 1;
    if (percent < format_.size()) RETURN_IF_ERROR(Convert());
    RETURN_IF_ERROR(budget_->Spend(1));
  }
  if (used_ < items_.size() && !is_mapping_)
    return InvalidArgument("not all arguments converted during string formatting");
  return std::move(out_);
}

Result<int64_t> Formatter::ReadNumber(std::string_view what) {
  int64_t number = 0;
  if (At('*')) {
    ++at_;
    ASSIGN_OR_RETURN(const Value value, Next());
    if (!value.is_int() && !value.is_bool())
      return InvalidArgument("* wants an int, not a {}", value.TypeName());
    number = value.integer();
  } else {
    for (; at_ < format_.size() && format_[at_] >= '0' && format_[at_] <= '9' && number <= kMaxWidth; ++at_)
      number = number * 10 + (format_[at_] - '0');
  }
  if (number > kMaxWidth || number < -kMaxWidth)
    return ResourceExhausted("a {} of more than {} in a format", what, kMaxWidth);
  return number;
}

Result<Value> Formatter::Next() {
  if (keyed_) return *keyed_;
  if (used_ >= items_.size()) return InvalidArgument("not enough arguments for format string");
  return items_[used_++];
}

Status Formatter::ReadKey() {
  keyed_.reset();
  if (!At('(')) return OkStatus();
  int open = 0;
  const size_t begin = at_ + 1;
  do {
    open += At('(') ? 1 : At(')') ? -1 : 0;
    ++at_;
  } while (open > 0 && at_ < format_.size());
  if (open > 0) return InvalidArgument("a format has '%(' without ')'");
  if (values_.dict() == nullptr) return InvalidArgument("a format with names needs a dict");
  const std::string_view key = format_.substr(begin, at_ - 1 - begin);
  RETURN_IF_ERROR(budget_->Spend(values_.dict()->items.size()));
  const Value* value = values_.dict()->Find(key);
  if (value == nullptr) return InvalidArgument("a format names '{}', which is not there", key.substr(0, 100));
  keyed_ = *value;
  return OkStatus();
}

void Formatter::ReadFlags() {
  flags_.clear();
  while (at_ < format_.size() && std::string_view("#0- +").find(format_[at_]) != std::string_view::npos) {
    if (flags_.size() < 16) flags_ += format_[at_];
    ++at_;
  }
}

Status Formatter::Convert() {
  RETURN_IF_ERROR(ReadKey());
  ReadFlags();
  ASSIGN_OR_RETURN(width_, ReadNumber("width"));
  if (width_ < 0) flags_ += '-';
  width_ = std::abs(width_);
  precision_ = -1;
  if (At('.')) {
    ++at_;
    ASSIGN_OR_RETURN(precision_, ReadNumber("precision"));
    precision_ = std::max<int64_t>(precision_, 0);
  }
  RETURN_IF_ERROR(budget_->Spend(static_cast<size_t>(width_ + std::max<int64_t>(precision_, 0)) / 16));
  if (At('h') || At('l') || At('L')) ++at_;
  if (at_ >= format_.size()) return InvalidArgument("incomplete format");
  const char type = format_[at_++];
  if (type == '%') {
    out_ += '%';
    return OkStatus();
  }
  ASSIGN_OR_RETURN(const Value value, Next());
  const std::string_view kinds = "diuoxXeEfFgG";
  const bool number = kinds.find(type) != std::string_view::npos;
  if (!number && std::string_view("srac").find(type) == std::string_view::npos)
    return InvalidArgument("unsupported format character '{}'", type);
  ASSIGN_OR_RETURN(const std::string text, number ? Number(type, value) : Text(type, value));
  out_ += text;
  return budget_->Spend(text.size() / 16);
}

std::string Formatter::Field(const std::string& sign, const std::string& text, bool number) const {
  FormatSpec spec;
  spec.width = width_;
  const bool left = flags_.find('-') != std::string::npos;
  const bool zeros = number && !left && flags_.find('0') != std::string::npos;
  spec.fill = zeros ? "0" : " ";
  return Pad(sign, text, spec, left ? '<' : zeros ? '=' : '>');
}

Result<std::string> Formatter::Character(const Value& value) {
  if (value.is_string()) {
    if (CountCharacters(value.string()) != 1) return InvalidArgument("%c needs one character");
    return value.string();
  }
  if (!value.is_int() && !value.is_bool()) return InvalidArgument("%c of a {}", value.TypeName());
  return FormatValue(Value::Int(value.integer()), "c", budget_);
}

Result<std::string> Formatter::Text(char type, const Value& value) {
  std::string text;
  if (type == 'c') {
    ASSIGN_OR_RETURN(text, Character(value));
    return Field("", text, false);
  }
  if (type == 's') {
    ASSIGN_OR_RETURN(text, ToText(value, budget_));
  } else {
    ASSIGN_OR_RETURN(text, type == 'r' ? ToRepr(value, budget_) : ToAscii(value, budget_));
  }
  if (precision_ < 0) return Field("", text, false);
  size_t end = 0;
  for (int64_t i = 0; i < precision_ && end < text.size(); ++i)
    end += DecodeUtf8(std::string_view(text).substr(end)).size;
  return Field("", text.substr(0, end), false);
}

Result<std::string> Formatter::Number(char type, const Value& value) {
  if (!value.is_number())
    return value.is_undefined() ? value.UndefinedError()
                                : InvalidArgument("%{} needs a number, not a {}", type, value.TypeName());
  if (std::string_view("diuoxX").find(type) != std::string_view::npos) return Integer(type, value);
  const double number = value.number();
  const bool negative = std::signbit(number) && !std::isnan(number);
  const bool alternate = flags_.find('#') != std::string::npos;
  const std::string sign = negative                                ? "-"
                           : flags_.find('+') != std::string::npos ? "+"
                           : flags_.find(' ') != std::string::npos ? " "
                                                                   : "";
  return Field(sign, FloatDigits(std::fabs(number), type, precision_, alternate), true);
}

Result<std::string> Formatter::Integer(char type, const Value& value) {
  int64_t number = 0;
  const int base = type == 'o' ? 8 : type == 'x' || type == 'X' ? 16 : 10;
  if (!value.is_float()) {
    number = value.integer();
  } else {
    if (base != 10) return InvalidArgument("%{} needs an int, not a float", type);
    if (!(std::fabs(value.number()) < 9e18)) return InvalidArgument("%{} of {}", type, value.number());
    number = static_cast<int64_t>(value.number());
  }
  std::string digits = IntDigits(Magnitude(number), base, type == 'X');
  if (static_cast<int64_t>(digits.size()) < precision_)
    digits.insert(0, static_cast<size_t>(precision_) - digits.size(), '0');
  std::string sign = number < 0                              ? "-"
                     : flags_.find('+') != std::string::npos ? "+"
                     : flags_.find(' ') != std::string::npos ? " "
                                                             : "";
  if (flags_.find('#') != std::string::npos && base != 10) sign += {'0', type};
  return Field(sign, digits, true);
}

}  // namespace

Result<std::string> PercentFormat(const std::string& format, const Value& values, Budget* budget) {
  RETURN_IF_ERROR(budget->Spend(1 + format.size() / 16));
  return Formatter(format, values, budget).Run();
}

}  // namespace exeunt::text::jinja
