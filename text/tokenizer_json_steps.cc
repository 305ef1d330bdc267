#include <algorithm>

#include "base/error.h"
#include "text/pretokenizer_names.h"
#include "text/tokenizer_json.h"
#include "text/utf8.h"

namespace exeunt::text {
namespace {

constexpr std::string_view kMetaspace = "\xE2\x96\x81";
// Rust's \w also has the joiners.
constexpr std::string_view kWordsExpression = R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200C}\x{200D}]+)"
                                              R"(|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200C}\x{200D}\s]+)";

// Reads the steps of a sequence with `read`.
template <typename Out>
Status ReadSequence(const JsonFields& fields, std::string_view name, Status (*read)(const JsonFields&, Out*),
                    Out* out) {
  ASSIGN_OR_RETURN(const boost::json::array* steps, fields.Array(name));
  for (size_t i = 0; i < steps->size(); ++i) {
    ASSIGN_OR_RETURN(const JsonFields step,
                     JsonFields::Of((*steps)[i], fmt::format("{}[{}]", fields.PathOf(name), i)));
    if (out->size() >= kMaxTokenizerSteps) {
      return InvalidArgument("{}: more than {} steps", fields.PathOf(name), kMaxTokenizerSteps);
    }
    RETURN_IF_ERROR(read(step, out));
  }
  return OkStatus();
}

Error UnknownType(const JsonFields& fields, const std::string& type) {
  return Unimplemented("{} '{}' is not supported", fields.PathOf("type"), type);
}

// Reads the text that a step inserts.
Result<std::string> ReadInsertion(const JsonFields& fields, std::string_view name) {
  constexpr size_t kMaxBytes = 256;
  ASSIGN_OR_RETURN(std::string text, fields.String(name));
  if (text.size() > kMaxBytes) {
    return InvalidArgument("{} has {} bytes: at most {}", fields.PathOf(name), text.size(), kMaxBytes);
  }
  return text;
}

// Reads {"String": "..."} or {"Regex": "..."}.
Result<Regex> ReadPattern(const JsonFields& fields) {
  ASSIGN_OR_RETURN(const JsonFields pattern, fields.Object("pattern"));
  const bool literal = pattern.Find("String") != nullptr;
  ASSIGN_OR_RETURN(const std::string text, pattern.String(literal ? "String" : "Regex"));
  Result<Regex> regex = literal ? Regex::Literal(text) : Regex::Compile(text);
  if (!regex.has_value()) return Annotate(regex.error(), fields.PathOf("pattern"));
  return regex;
}

Result<SplitBehavior> ReadBehavior(const JsonFields& fields, std::string_view otherwise) {
  static constexpr std::pair<std::string_view, SplitBehavior> kBehaviors[] = {
      {"Removed", SplitBehavior::kRemoved},
      {"Isolated", SplitBehavior::kIsolated},
      {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
      {"MergedWithNext", SplitBehavior::kMergedWithNext},
      {"Contiguous", SplitBehavior::kContiguous}};
  ASSIGN_OR_RETURN(const std::string name, fields.StringOr("behavior", otherwise));
  for (const auto& [known, behavior] : kBehaviors) {
    if (known == name) return behavior;
  }
  return DataLoss(
      "{} is '{}': Removed, Isolated, MergedWithPrevious, MergedWithNext and Contiguous are known",
      fields.PathOf("behavior"), name);
}

Result<PrependScheme> ReadPrependScheme(const JsonFields& fields) {
  ASSIGN_OR_RETURN(const bool prefix, fields.BoolOr("add_prefix_space", true));  // as in older files
  ASSIGN_OR_RETURN(const std::string name, fields.StringOr("prepend_scheme", prefix ? "always" : "never"));
  if (name == "always") return PrependScheme::kAlways;
  if (name == "never") return PrependScheme::kNever;
  if (name == "first") return PrependScheme::kFirst;
  return DataLoss("{} is '{}': always, never and first are known", fields.PathOf("prepend_scheme"), name);
}

Result<std::string> ReadCharacter(const JsonFields& fields, std::string_view name,
                                  std::string_view otherwise) {
  ASSIGN_OR_RETURN(std::string text, fields.StringOr(name, otherwise));
  if (CountCharacters(text) != 1)
    return DataLoss("{} is '{}': one character is needed", fields.PathOf(name), text);
  return text;
}

Result<std::unique_ptr<PreTokenizer>> ReadByteLevel(const JsonFields& fields) {
  ASSIGN_OR_RETURN(const bool add_prefix_space, fields.BoolOr("add_prefix_space", true));
  ASSIGN_OR_RETURN(const bool use_regex, fields.BoolOr("use_regex", true));
  if (!use_regex) return MakeByteLevel(add_prefix_space, nullptr);
  ASSIGN_OR_RETURN(Regex regex, Regex::Compile(kGpt2Expression));
  return MakeByteLevel(add_prefix_space, MakeSplit(std::move(regex), SplitBehavior::kIsolated, false));
}

Result<std::unique_ptr<PreTokenizer>> MakeRegexSplit(Result<Regex> regex, SplitBehavior behavior,
                                                     bool invert) {
  if (!regex.has_value()) return regex.error();
  return MakeSplit(std::move(regex).value(), behavior, invert);
}

Result<std::unique_ptr<PreTokenizer>> ReadOnePreTokenizer(const JsonFields& fields, const std::string& type) {
  if (type == "ByteLevel") return ReadByteLevel(fields);
  if (type == "Split") {
    ASSIGN_OR_RETURN(Regex regex, ReadPattern(fields));
    ASSIGN_OR_RETURN(const SplitBehavior behavior, ReadBehavior(fields, ""));
    ASSIGN_OR_RETURN(const bool invert, fields.BoolOr("invert", false));
    return MakeSplit(std::move(regex), behavior, invert);
  }
  if (type == "Digits") {
    ASSIGN_OR_RETURN(const bool individual, fields.BoolOr("individual_digits", false));
    return MakeSplitAt(IsNumeric, individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
  }
  if (type == "Metaspace") {
    ASSIGN_OR_RETURN(const std::string replacement, ReadCharacter(fields, "replacement", kMetaspace));
    ASSIGN_OR_RETURN(const PrependScheme scheme, ReadPrependScheme(fields));
    ASSIGN_OR_RETURN(const bool split, fields.BoolOr("split", true));
    return MakeMetaspace(replacement, scheme, split);
  }
  if (type == "Punctuation") {
    ASSIGN_OR_RETURN(const SplitBehavior behavior, ReadBehavior(fields, "Isolated"));
    return MakeSplitAt(IsPunctuation, behavior);
  }
  if (type == "Whitespace")
    return MakeRegexSplit(Regex::Compile(kWordsExpression), SplitBehavior::kRemoved, true);
  if (type == "WhitespaceSplit") return MakeSplitAt(IsWhitespace, SplitBehavior::kRemoved);
  if (type == "CharDelimiterSplit") {
    ASSIGN_OR_RETURN(const std::string delimiter, ReadCharacter(fields, "delimiter", ""));
    return MakeRegexSplit(Regex::Literal(delimiter), SplitBehavior::kRemoved, false);
  }
  return UnknownType(fields, type);
}

Result<std::unique_ptr<Normalizer>> ReadPrecompiled(const JsonFields& fields) {
  ASSIGN_OR_RETURN(const std::string text, fields.String("precompiled_charsmap"));
  const auto blob = DecodeBase64(text);
  if (!blob.has_value()) return DataLoss("{} is not base64", fields.PathOf("precompiled_charsmap"));
  auto charsmap = Charsmap::Parse(*blob);
  if (!charsmap.has_value()) return Annotate(charsmap.error(), fields.PathOf("precompiled_charsmap"));
  return MakePrecompiled(std::move(charsmap).value());
}

Result<std::unique_ptr<Normalizer>> ReadOneNormalizer(const JsonFields& fields, const std::string& type) {
  if (type == "NFC") return MakeUnicodeNormalizer(UnicodeForm::kNfc);
  if (type == "NFD") return MakeUnicodeNormalizer(UnicodeForm::kNfd);
  if (type == "NFKC") return MakeUnicodeNormalizer(UnicodeForm::kNfkc);
  if (type == "NFKD") return MakeUnicodeNormalizer(UnicodeForm::kNfkd);
  if (type == "Lowercase") return MakeLowercase();
  if (type == "Nmt") return MakeNmt();
  if (type == "StripAccents") return MakeStripAccents();
  if (type == "ByteLevel") return MakeByteLevelNormalizer();
  if (type == "Precompiled") return ReadPrecompiled(fields);
  if (type == "Prepend") {
    ASSIGN_OR_RETURN(std::string prefix, ReadInsertion(fields, "prepend"));
    return MakePrepend(std::move(prefix));
  }
  if (type == "Strip") {
    ASSIGN_OR_RETURN(const bool left, fields.BoolOr("strip_left", true));
    ASSIGN_OR_RETURN(const bool right, fields.BoolOr("strip_right", true));
    return MakeStrip(left, right);
  }
  if (type == "Replace") {
    ASSIGN_OR_RETURN(Regex regex, ReadPattern(fields));
    ASSIGN_OR_RETURN(std::string content, ReadInsertion(fields, "content"));
    return MakeReplace(std::move(regex), std::move(content));
  }
  return UnknownType(fields, type);
}

}  // namespace

Status ReadNormalizer(const JsonFields& fields, Normalizers* normalizers) {
  ASSIGN_OR_RETURN(const std::string type, fields.String("type"));
  if (type == "Sequence") return ReadSequence(fields, "normalizers", ReadNormalizer, normalizers);
  ASSIGN_OR_RETURN(auto normalizer, ReadOneNormalizer(fields, type));
  normalizers->push_back(std::move(normalizer));
  return OkStatus();
}

Status ReadPreTokenizer(const JsonFields& fields, PreTokenizers* pre_tokenizers) {
  ASSIGN_OR_RETURN(const std::string type, fields.String("type"));
  if (type == "Sequence") return ReadSequence(fields, "pretokenizers", ReadPreTokenizer, pre_tokenizers);
  ASSIGN_OR_RETURN(auto pre_tokenizer, ReadOnePreTokenizer(fields, type));
  pre_tokenizers->push_back(std::move(pre_tokenizer));
  return OkStatus();
}

Status ReadDecoder(const JsonFields& fields, std::vector<DecoderStep>* steps) {
  ASSIGN_OR_RETURN(const std::string type, fields.String("type"));
  if (type == "Sequence") return ReadSequence(fields, "decoders", ReadDecoder, steps);
  DecoderStep step;
  if (type == "ByteLevel") {
    step.kind = DecoderKind::kByteLevel;
  } else if (type == "ByteFallback") {
    step.kind = DecoderKind::kByteFallback;
  } else if (type == "Fuse") {
    step.kind = DecoderKind::kFuse;
  } else if (type == "Metaspace") {
    step.kind = DecoderKind::kMetaspace;
    ASSIGN_OR_RETURN(step.content, ReadCharacter(fields, "replacement", kMetaspace));
    ASSIGN_OR_RETURN(step.scheme, ReadPrependScheme(fields));
  } else if (type == "Replace") {
    step.kind = DecoderKind::kReplace;
    ASSIGN_OR_RETURN(step.pattern, ReadPattern(fields));
    ASSIGN_OR_RETURN(step.content, ReadInsertion(fields, "content"));
  } else if (type == "Strip") {
    constexpr int64_t kMaxStripped = 1024;
    step.kind = DecoderKind::kStrip;
    ASSIGN_OR_RETURN(step.content, ReadCharacter(fields, "content", " "));
    ASSIGN_OR_RETURN(const int64_t start, fields.IndexOr("start", 0, kMaxStripped));
    ASSIGN_OR_RETURN(const int64_t stop, fields.IndexOr("stop", 0, kMaxStripped));
    step.start = static_cast<int>(start);
    step.stop = static_cast<int>(stop);
  } else {
    return UnknownType(fields, type);
  }
  steps->push_back(std::move(step));
  return OkStatus();
}

}  // namespace exeunt::text
