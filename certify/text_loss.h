// Losses in [0, 1] of an answer against a reference: what certificates are about. Pure; thread-safe.
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

// Words of an answer that are looked at: time grows with the product of both lengths.
inline constexpr size_t kMaxLossWords = 4096;

//   rouge_l      1 - F1 of the longest common subsequence, as the package rouge-score has it (no stemming):
//   lower
//                case, words are runs of [a-z0-9]; 1 where either has none
//   token_f1     1 - F1 of the words as a bag, as SQuAD's script has it: lower case, without punctuation and
//                articles; 0 where both have none
//   exact_match  0 where the texts are equal but for white space at the ends, else 1
//   wer          edit distance of the words (between white space, as they are) by the reference's, at most 1
double Loss(TextLoss loss, std::string_view answer, std::string_view reference);

// Share of positions at which two lists of tokens differ, of the longer one's; 0 where both are empty.
double TokenDisagreement(std::span<const int32_t> a, std::span<const int32_t> b);

}  // namespace exeunt::certify
