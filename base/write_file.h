// Writes whole files.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace exeunt {

// Replaces a file. The content is written to another file beside it, which is then renamed. A reader
// therefore sees either the whole old file or the whole new one. The error names the path.
Status WriteFile(const std::string& path, std::string_view content);

}  // namespace exeunt
