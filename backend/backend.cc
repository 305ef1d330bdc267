#include "backend/backend.h"

#include <algorithm>

namespace exeunt {

bool StageHasHead(LayerSpan layers, const std::vector<int>& exit_layers, int n_layers) {
  return layers.end == n_layers || std::any_of(exit_layers.begin(), exit_layers.end(), [&](int exit) {
           return exit > layers.begin && exit <= layers.end;
         });
}

}  // namespace exeunt
