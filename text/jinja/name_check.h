// Filters and tests that do not exist, found before a template runs.
#pragma once

#include "base/result.h"
#include "text/jinja/ast.h"

namespace exeunt::text::jinja {

// Errors name line, and filter or test. Of what stands in an `if`, or in an inline one, nothing is said: as
// in Jinja, it may depend on a condition that no rendering meets, and is an error when it is reached.
Status CheckNames(const Block& block);

}  // namespace exeunt::text::jinja
