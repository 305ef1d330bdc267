// EXEUNT_UNROLL before a `for` with a constant trip count: unrolled whole, early enough for arrays that it
// indexes to live in registers (gcc 12 gives up at eight otherwise). EXEUNT_INLINE: for the same reason, what
// a kernel's inner loop calls.
#pragma once

#if defined(__clang__)
#define EXEUNT_UNROLL _Pragma("unroll")
#else
#define EXEUNT_UNROLL _Pragma("GCC unroll 32")
#endif
#define EXEUNT_INLINE __attribute__((always_inline)) inline
