// The `tokenizers` package normalises by the tables of Unicode 9: what came later has neither a decomposition
// nor an order among combining marks there. The library used here is newer, so such characters are passed by.
#pragma once

namespace exeunt::text {

// A character that Unicode 10 or later gave a decomposition or a combining class.
bool NormalizesSinceUnicode10(char32_t code);

}  // namespace exeunt::text
