// EXEUNT_UNROLL before a `for` with a constant trip count: unrolled whole, early enough for arrays that it
// indexes to live in registers (gcc 12 gives up at eight otherwise).
#pragma once

#if defined(__clang__)
#define EXEUNT_UNROLL _Pragma("unroll")
#else
#define EXEUNT_UNROLL _Pragma("GCC unroll 32")
#endif
