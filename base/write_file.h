// Writing whole files.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace exeunt {

// Replaces a file: written beside it and renamed, so that a reader sees the old one or the new one, whole.
// The error names the path.
Status WriteFile(const std::string& path, std::string_view content);

}  // namespace exeunt
