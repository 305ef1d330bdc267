// The OpenAPI document of the REST API. It is the file openapi.json beside this one.
#pragma once

#include <string_view>

namespace exeunt::coordinator {

extern const std::string_view kOpenApiDocument;

}  // namespace exeunt::coordinator
