#include "text/token_decoder.h"

#include <algorithm>

#include "base/error.h"
#include "text/byte_level.h"
#include "text/utf8.h"
#include "text/vocabulary.h"

namespace exeunt::text {
namespace {

constexpr size_t kMaxPieceBytes = 65536;
constexpr size_t kMaxTableBytes = size_t{256} << 20;

const char* Name(DecoderKind kind) {
  switch (kind) {
    case DecoderKind::kByteLevel:
      return "ByteLevel";
    case DecoderKind::kMetaspace:
      return "Metaspace";
    case DecoderKind::kReplace:
      return "Replace";
    case DecoderKind::kByteFallback:
      return "ByteFallback";
    case DecoderKind::kFuse:
      return "Fuse";
    case DecoderKind::kStrip:
      return "Strip";
  }
  return "?";
}

std::string Replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    if (text.substr(at).starts_with(from)) {
      out.append(to);
      at += from.size();
    } else {
      out.push_back(text[at++]);
    }
  }
  return out;
}

std::string Stripped(std::string_view text, const DecoderStep& step) {
  for (int i = 0; i < step.start && text.starts_with(step.content); ++i)
    text.remove_prefix(step.content.size());
  for (int i = 0; i < step.stop && text.ends_with(step.content); ++i) text.remove_suffix(step.content.size());
  return std::string(text);
}

// Applies the steps before the one that joins all tokens to one token.
std::string DecodeToken(std::string text, const std::vector<DecoderStep>& steps, bool first,
                        RegexScratch* scratch) {
  for (const DecoderStep& step : steps) {
    if (text.size() > kMaxPieceBytes) return text;
    switch (step.kind) {
      case DecoderKind::kByteLevel: {
        std::string bytes;
        if (AppendBytesOfByteLevel(text, &bytes)) text = std::move(bytes);
        return text;
      }
      case DecoderKind::kMetaspace: {
        const bool drop = first && step.scheme != PrependScheme::kNever;
        text = Replaced(text, step.content, drop ? "" : " ");
        break;
      }
      case DecoderKind::kReplace: {
        std::string out;
        size_t copied = 0;
        for (const TextRange match : step.pattern->FindAll(text, scratch)) {
          out.append(text, copied, match.begin - copied).append(step.content);
          copied = match.end;
        }
        text = out.append(text, copied);
        break;
      }
      case DecoderKind::kByteFallback: {
        const int byte = ParseByteToken(text);
        if (byte >= 0) return std::string(1, static_cast<char>(byte));
        break;
      }
      case DecoderKind::kFuse:
        return text;
      case DecoderKind::kStrip:
        text = Stripped(text, step);
        break;
    }
  }
  return text;
}

}  // namespace

Result<DecodingTable> CompileDecoder(const std::vector<DecoderStep>& steps,
                                     const std::vector<std::string>& texts) {
  DecodingTable table;
  bool joined = false;  // whether all tokens are one text from here on
  for (const DecoderStep& step : steps) {
    if (joined && step.kind == DecoderKind::kStrip && step.stop == 0 && table.strip.empty()) {
      table.strip = step.content;
      table.strip_count = step.start;
    } else if (joined && step.kind != DecoderKind::kFuse) {
      return Unimplemented("decoder: {}{} after Fuse or ByteLevel cannot be streamed", Name(step.kind),
                           step.kind == DecoderKind::kStrip ? fmt::format(" (stop {})", step.stop) : "");
    }
    joined = joined || step.kind == DecoderKind::kFuse || step.kind == DecoderKind::kByteLevel;
  }
  const bool first_differs = std::ranges::any_of(steps, [](const DecoderStep& step) {
    return step.kind == DecoderKind::kMetaspace && step.scheme != PrependScheme::kNever;
  });
  RegexScratch scratch;
  size_t total_bytes = 0;
  for (const std::string& text : texts) {
    table.pieces.push_back(DecodeToken(text, steps, false, &scratch));
    if (first_differs) table.first_pieces.push_back(DecodeToken(text, steps, true, &scratch));
    total_bytes += table.pieces.back().size();
    if (table.pieces.back().size() > kMaxPieceBytes || total_bytes > kMaxTableBytes) {
      return ResourceExhausted("decoder: token '{}' becomes {} bytes, all {}: at most {} and {}",
                               text.substr(0, 100), table.pieces.back().size(), total_bytes, kMaxPieceBytes,
                               kMaxTableBytes);
    }
  }
  return table;
}

DecodingTable SpaceSeparated(const std::vector<std::string>& texts) {
  DecodingTable table;
  table.first_pieces = texts;
  for (const std::string& text : texts) table.pieces.push_back(" " + text);
  return table;
}

}  // namespace exeunt::text
