// Tokens that end an answer by their text alone, for files that name only one end token. The list is
// llama.cpp's (src/llama-vocab.cpp, special_eog_ids).
#pragma once

#include <cstdint>
#include <vector>

#include "text/vocabulary.h"

namespace exeunt::text {

// Returns ids in the order of the list.
std::vector<int32_t> EndsOfGeneration(const Vocabulary& vocabulary);

}  // namespace exeunt::text
