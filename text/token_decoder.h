// Turns tokens into text again. The steps of tokenizer.json's "decoder" are applied to every token once, at
// load, so that decoding is a table. Steps that depend on the neighbours and do not fit a table are refused.
// Byte tokens ("<0xE2>") may form no character. Each maximal subpart of them then becomes one U+FFFD, as
// everywhere here. The `tokenizers` package gives one for each byte of the whole run of byte tokens instead.
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
  std::optional<Regex> pattern = {};  // kReplace
  std::string content = {};           // kReplace: the replacement; kStrip, kMetaspace: the character
  PrependScheme scheme = PrependScheme::kAlways;  // kMetaspace
  int start = 0;                                  // kStrip: most characters from the start
  int stop = 0;                                   // kStrip: most characters from the end
};

struct DecodingTable {
  std::vector<std::string> pieces;  // [vocabulary] bytes of a token
  std::vector<std::string>
      first_pieces;   // [vocabulary], or empty: bytes of a token that is the first of a text
  std::string strip;  // character of which at most `strip_count` are taken from the start of a text
  int strip_count = 0;
};

// `texts[id]` is the text of a token, and "" is no token. Errors name the step that cannot be applied token
// by token.
Result<DecodingTable> CompileDecoder(const std::vector<DecoderStep>& steps,
                                     const std::vector<std::string>& texts);

// Makes the decoder of a file without one. Spaces separate its tokens.
DecodingTable SpaceSeparated(const std::vector<std::string>& texts);

}  // namespace exeunt::text
