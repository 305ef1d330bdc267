// write_random_models DIRECTORY: writes every spec of random_specs.h as DIRECTORY/NAME.gguf, for
// make_goldens.py.
#include <cstdlib>
#include <iostream>

#include "tests/golden/random_specs.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: write_random_models DIRECTORY\n";
    return EXIT_FAILURE;
  }
  for (const exeunt::NamedSpec& named : exeunt::GoldenSpecs()) {
    const std::string path = std::string(argv[1]) + "/" + named.name + ".gguf";
    const exeunt::Status written = exeunt::WriteRandomModel(named.spec, path);
    if (!written) {
      std::cerr << written.error().message << '\n';
      return EXIT_FAILURE;
    }
  }
  return EXIT_SUCCESS;
}
