#include "text/tokenizer_pipeline.h"

#include <algorithm>

#include "base/check.h"
#include "base/error.h"
#include "base/quoted.h"
#include "text/utf8.h"

namespace exeunt::text {
namespace {

constexpr size_t kMaxTextBytes = size_t{1} << 30;

std::string Named(int32_t id, const TokenizerParts& parts) {
  const auto& pieces = parts.decoding.pieces;
  const auto at = static_cast<size_t>(id);
  return at < pieces.size() ? fmt::format("{} {}", id, Quoted(pieces[at])) : std::to_string(id);
}

}  // namespace

void TokenizerParts::AddEnd(int32_t id) {
  if (id >= 0 && !std::ranges::count(end_tokens, id)) end_tokens.push_back(id);
}

Status FitToEmbedding(int rows, TokenizerParts* parts) {
  for (const std::vector<int32_t>* around : {&parts->prefix, &parts->suffix}) {
    const auto outside = std::ranges::find_if(*around, [rows](int32_t id) { return id >= rows; });
    if (outside == around->end()) continue;
    return InvalidArgument("the tokenizer puts token {} around each text; the model's embedding has {} rows",
                           Named(*outside, *parts), rows);
  }
  if (parts->bos >= rows) {
    parts->warnings.push_back(fmt::format("begin token {} is ignored: the model's embedding has {} rows",
                                          Named(parts->bos, *parts), rows));
    parts->bos = -1;
  }
  std::erase_if(parts->end_tokens, [rows, parts](int32_t id) {
    if (id < rows) return false;
    parts->warnings.push_back(
        fmt::format("end token {} is ignored: the model's embedding has {} rows", Named(id, *parts), rows));
    return true;
  });
  const auto size = static_cast<int>(parts->decoding.pieces.size());
  if (size <= rows) return OkStatus();
  constexpr int kMaxListed = 5;
  std::string list;
  for (int id = rows; id < std::min(size, rows + kMaxListed); ++id) {
    list += (id == rows ? "" : ", ") + Named(id, *parts);
  }
  if (size - rows > kMaxListed) list += ", ...";
  parts->warnings.push_back(
      fmt::format("{} tokens cannot be used, since the model's embedding has {} rows: {}; a request whose "
                  "prompt has one is refused",
                  size - rows, rows, list));
  return OkStatus();
}

TokenizerPipeline::TokenizerPipeline(TokenizerParts parts) : parts_(std::move(parts)) {
  CHECK_EQ(parts_.special.size(), parts_.decoding.pieces.size());
}

std::vector<int32_t> TokenizerPipeline::Encode(std::string_view text, bool add_special,
                                               bool parse_special) const {
  CHECK_LT(text.size(), kMaxTextBytes);
  std::string replaced;
  if (!IsWellFormed(text)) {
    replaced = ReplaceIllFormed(text);
    text = replaced;
  }
  std::vector<int32_t> ids;
  if (add_special) ids = parts_.prefix;
  RegexScratch scratch;
  std::vector<AddedTokens::Part> split;
  parts_.added.Split(text, parse_special, &split);
  for (const AddedTokens::Part& part : split) {
    if (part.id >= 0) {
      ids.push_back(part.id);
    } else {
      EncodePart(part.text, part.text.data() == text.data(), parse_special, &scratch, &ids);
    }
  }
  if (add_special) ids.insert(ids.end(), parts_.suffix.begin(), parts_.suffix.end());
  return ids;
}

void TokenizerPipeline::EncodePart(std::string_view text, bool at_start, bool parse_special,
                                   RegexScratch* scratch, std::vector<int32_t>* ids) const {
  std::string normalized(text);
  ApplyAll(parts_.normalizers, &normalized, scratch);
  std::vector<AddedTokens::Part> split;
  parts_.added_normalized.Split(normalized, parse_special, &split);
  for (const AddedTokens::Part& part : split) {
    if (part.id >= 0) {
      ids->push_back(part.id);
      continue;
    }
    const bool part_at_start = at_start && part.text.data() == normalized.data();
    PreTokens tokens = PreTokens::Whole(std::string(part.text), part_at_start);
    for (const auto& step : parts_.pre_tokenizers) step->Apply(&tokens, scratch);
    for (const PreTokens::Piece& piece : tokens.pieces) {
      parts_.model->Encode(std::string_view(tokens.text).substr(piece.begin, piece.end - piece.begin), ids);
    }
  }
}

bool TokenizerPipeline::Renders(int32_t token, bool render_special) const {
  return token >= 0 && token < vocab_size() &&
         (render_special || !parts_.special[static_cast<size_t>(token)]);
}

std::string TokenizerPipeline::Piece(int32_t token, bool render_special) const {
  return Renders(token, render_special) ? parts_.decoding.pieces[static_cast<size_t>(token)] : "";
}

std::string TokenizerPipeline::NextPiece(int32_t token, bool render_special, DecodeState* state) const {
  if (!Renders(token, render_special)) return "";
  const DecodingTable& table = parts_.decoding;
  const auto id = static_cast<size_t>(token);
  std::string piece = state->first && !table.first_pieces.empty() ? table.first_pieces[id] : table.pieces[id];
  state->first = false;
  while (state->at_start && state->stripped < table.strip_count && piece.starts_with(table.strip)) {
    piece.erase(0, table.strip.size());
    ++state->stripped;
  }
  state->at_start = state->at_start && piece.empty();
  return piece;
}

std::string TokenizerPipeline::Decode(const std::vector<int32_t>& tokens, bool render_special) const {
  std::string bytes;
  DecodeState state;
  for (const int32_t token : tokens) bytes += NextPiece(token, render_special, &state);
  return ReplaceIllFormed(bytes);
}

int32_t TokenizerPipeline::Find(std::string_view text) const {
  const auto it = parts_.added_ids.find(std::string(text));
  return it != parts_.added_ids.end() ? it->second : parts_.vocabulary->Find(text);
}

}  // namespace exeunt::text
