// Parser turns a template's source into a tree. Errors name line and construct.
#pragma once

#include <string_view>

#include "base/result.h"
#include "text/jinja/ast.h"

namespace exeunt::text::jinja {

Result<Block> Parse(std::string_view source);

}  // namespace exeunt::text::jinja
