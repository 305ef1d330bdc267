// How tokens become text again. The steps of tokenizer.json's "decoder" are applied to every token once, at
// load, so that decoding is a table; what depends on the neighbours and cannot be had that way is refused. Of
// byte tokens ("<0xE2>") that form no character, each maximal subpart becomes one U+FFFD, as everywhere else
// here; the `tokenizers` package gives one for each byte of the whole run of byte tokens instead.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "text/pretokenizer.h"
#include "text/regex.h"

namespace exeunt::text {

enum class DecoderKind { kByteLevel, kMetaspace, kReplace, kByteFallback, kFuse, kStrip };

struct DecoderStep {
  DecoderKind kind = DecoderKind::kFuse;
  std::optional<Regex> pattern = {};              // kReplace
  std::string content = {};                       // kReplace: instead; kStrip, kMetaspace: the character
  PrependScheme scheme = PrependScheme::kAlways;  // kMetaspace
  int start = 0;                                  // kStrip: how many at most from the start
  int stop = 0;                                   // kStrip: and from the end
};

struct DecodingTable {
  std::vector<std::string> pieces;  // [vocabulary] bytes of a token
  std::vector<std::string>
      first_pieces;   // [vocabulary], or empty: bytes of a token that is the first of a text
  std::string strip;  // at most `strip_count` of it are taken from the start of a text
  int strip_count = 0;
};

// `texts[id]`; "" is no token. Errors name the step that cannot be applied token by token.
Result<DecodingTable> CompileDecoder(const std::vector<DecoderStep>& steps,
                                     const std::vector<std::string>& texts);

// The decoder of a file without one: tokens stand apart by spaces.
DecodingTable SpaceSeparated(const std::vector<std::string>& texts);

}  // namespace exeunt::text
