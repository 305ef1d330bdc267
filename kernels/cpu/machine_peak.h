// Measures the peak speeds of this machine. Benchmark results are compared with them.
#pragma once

#include <cstddef>

#include "kernels/cpu/ops.h"
#include "kernels/cpu/thread_pool.h"

namespace exeunt::cpu {

// Returns the bytes per second that all threads of the pool together read sequentially from a buffer of
// `bytes`. It is the best of some passes. The last-level cache partly serves a buffer near its own size, just
// as it serves weights of that size.
double MeasureReadBandwidth(size_t bytes, ThreadPool* pool);

// Returns the integer multiply-accumulates (u8 * s8 into int32) per second of all threads of the pool
// together. They run on registers with the instructions of `ops`' matmul. It is the best of some passes.
double MeasureIntDotPeak(const Ops& ops, ThreadPool* pool);

}  // namespace exeunt::cpu
