#include "base/write_file.h"

#include <cstdio>
#include <fstream>

#include "base/error.h"

namespace exeunt {

Status WriteFile(const std::string& path, std::string_view content) {
  const std::string scratch = path + ".new";
  std::ofstream file(scratch, std::ios::binary | std::ios::trunc);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  file.close();
  if (!file || std::rename(scratch.c_str(), path.c_str()) != 0) {
    std::remove(scratch.c_str());
    return Unavailable("{}: cannot be written", path);
  }
  return OkStatus();
}

}  // namespace exeunt
