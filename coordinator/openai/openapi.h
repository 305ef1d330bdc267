// The OpenAPI document of the REST API: openapi.json beside this file, as it is.
#pragma once

#include <string_view>

namespace exeunt::coordinator {

extern const std::string_view kOpenApiDocument;

}  // namespace exeunt::coordinator
