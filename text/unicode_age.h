// The `tokenizers` package normalises by the tables of Unicode 9. Later characters have neither a
// decomposition nor an order among combining marks there. The library used here is newer, so that such
// characters are skipped.
#pragma once

namespace exeunt::text {

// Returns whether Unicode 10 or later gave the character a decomposition or a combining class.
bool NormalizesSinceUnicode10(char32_t code);

}  // namespace exeunt::text
