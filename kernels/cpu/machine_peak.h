// What this machine can do at most, measured: the scale that benchmarks are read against.
#pragma once

#include <cstddef>

#include "kernels/cpu/ops.h"
#include "kernels/cpu/thread_pool.h"

namespace exeunt::cpu {

// Bytes per second that the pool's threads read together, sequentially, from a buffer of `bytes`: best of
// some passes. A buffer near the last-level cache's size is partly served from there, as weights of that size
// are.
double MeasureReadBandwidth(size_t bytes, ThreadPool* pool);

// Integer multiply-accumulates (u8 * s8 into int32) per second of the pool's threads together, on registers,
// with the instructions that `ops`' matmul uses: best of some passes.
double MeasureIntDotPeak(const Ops& ops, ThreadPool* pool);

}  // namespace exeunt::cpu
