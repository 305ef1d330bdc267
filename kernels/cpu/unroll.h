// EXEUNT_UNROLL stands before a `for` with a constant trip count and unrolls it fully. The unrolling happens
// early enough for arrays that the loop indexes to live in registers (gcc 12 otherwise gives up at eight).
// EXEUNT_INLINE marks the functions that a kernel's inner loop calls, for the same reason.
#pragma once

#if defined(__clang__)
#define EXEUNT_UNROLL _Pragma("unroll")
#else
#define EXEUNT_UNROLL _Pragma("GCC unroll 32")
#endif
#define EXEUNT_INLINE __attribute__((always_inline)) inline
