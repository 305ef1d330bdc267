// The CPU backend, which is the embedded default. It is bit-exact on every instruction set.
#pragma once

#include <memory>

#include "backend/backend.h"
#include "kernels/cpu/ops.h"

namespace exeunt {

struct CpuBackendOptions {
  cpu::Isa isa = cpu::DefaultIsa();
  bool dequantise = false;  // see StageWeightsOptions
};

std::shared_ptr<const Backend> MakeCpuBackend(const CpuBackendOptions& options = {});

}  // namespace exeunt
