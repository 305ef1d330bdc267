// Groups of fields that both endpoints have, read into a request. Private to this folder. What is wrong is
// left in `fields`.
#pragma once

#include <string>

#include "coordinator/openai/field_reader.h"
#include "coordinator/openai/generation_request.h"

namespace exeunt::coordinator {

// How tokens are drawn. After max_tokens, which min_tokens is compared with.
void ReadSampling(FieldReader* fields, const ApiLimits& limits, GenerationRequest* request);
// What ends an answer: stop, stop_token_ids, ignore_eos.
void ReadStop(FieldReader* fields, const ApiLimits& limits, GenerationRequest* request);

// After all other fields: a certificate covers a request or it does not.
void RequireCertificate(FieldReader* fields, const ApiLimits& limits, const std::string& name,
                        GenerationRequest* request);
// A request that the server's certificate does not cover runs in full; one that it does, from
// ApplyDefaultCertificate on.
void TryDefaultCertificate(FieldReader* fields, const ApiLimits& limits, GenerationRequest* request);

}  // namespace exeunt::coordinator
