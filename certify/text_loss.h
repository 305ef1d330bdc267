// Losses in [0, 1] of an answer against a reference, on which certificates are based. Pure. Thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace exeunt::certify {

enum class TextLoss : uint8_t { kRougeL, kTokenF1, kExactMatch, kWordErrorRate };
inline constexpr std::array<const char*, 4> kTextLossNames = {"rouge_l", "token_f1", "exact_match", "wer"};
const char* TextLossName(TextLoss loss);
std::optional<TextLoss> TextLossOf(std::string_view name);

// The number of words of an answer that count. Time grows with the product of both lengths.
inline constexpr size_t kMaxLossWords = 4096;

// Returns the loss of an answer.
//   rouge_l      1 - F1 of the longest common subsequence, as in the package rouge-score (no stemming):
//                lower case, words are runs of [a-z0-9]; 1 if either has none
//   token_f1     1 - F1 of the words as a bag, as in SQuAD's script: lower case, without punctuation and
//                articles; 0 if both have none
//   exact_match  0 if the texts are equal except for white space at the ends, else 1
//   wer          edit distance of the words (between white space, unchanged) by the reference's, at most 1
double Loss(TextLoss loss, std::string_view answer, std::string_view reference);

// Returns the share of positions at which two lists of tokens differ, relative to the longer one, or 0 if
// both are empty.
double TokenDisagreement(std::span<const int32_t> a, std::span<const int32_t> b);

}  // namespace exeunt::certify
