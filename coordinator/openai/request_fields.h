// Reads groups of fields that both endpoints have into a request. Private to this folder. Errors are left in
// `fields`.
#pragma once

#include <string>

#include "coordinator/openai/field_reader.h"
#include "coordinator/openai/generation_request.h"

namespace exeunt::coordinator {

// Reads how tokens are drawn. Call it after max_tokens is read, because min_tokens is compared with it.
void ReadSampling(FieldReader* fields, const ApiLimits& limits, GenerationRequest* request);
// Reads what ends an answer: stop, stop_token_ids, ignore_eos.
void ReadStop(FieldReader* fields, const ApiLimits& limits, GenerationRequest* request);

// Requires that a certificate covers the request. Call it after all other fields are read.
void RequireCertificate(FieldReader* fields, const ApiLimits& limits, const std::string& name,
                        GenerationRequest* request);
// Notes the server's certificate if it covers the request. ApplyDefaultCertificate later puts it in force. A
// request that it does not cover runs in full.
void TryDefaultCertificate(FieldReader* fields, const ApiLimits& limits, GenerationRequest* request);

}  // namespace exeunt::coordinator
