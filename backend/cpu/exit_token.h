// ExitToken: what an exit says that looks at less than the vocabulary head.
#pragma once

#include <cstdint>

namespace exeunt {

struct ExitToken {
  int32_t token = -1;   // the likeliest
  float margin = 0.0F;  // top1 - top2 of the softmax
};

}  // namespace exeunt
