// The project's only macro around MPI calls. An error ends the process with MPI's own text.
#pragma once

#include <mpi.h>

#include <string>

#include "base/check.h"

namespace exeunt::transport {

inline std::string MpiErrorText(int code) {
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  return {text, static_cast<size_t>(length)};
}

}  // namespace exeunt::transport

#define EXEUNT_MPI(call)                                                                   \
  do {                                                                                     \
    const int mpi_code = (call);                                                           \
    CHECK_MSG(mpi_code == MPI_SUCCESS, "{}", ::exeunt::transport::MpiErrorText(mpi_code)); \
  } while (false)
