// Finds unknown filters and tests before a template runs.
#pragma once

#include "base/result.h"
#include "text/jinja/ast.h"

namespace exeunt::text::jinja {

// Errors name the line and the filter or test. Names inside an `if` or an inline `if` are not checked, except
// in scopes that open there. As in Jinja, they may depend on a condition that is never true, and are an error
// when they are reached.
Status CheckNames(const Block& block);

}  // namespace exeunt::text::jinja
