// Keeps the evidence against certificates (e_process.h) in a file over restarts. Each entry is bound to the
// certificate's contents. Another certificate of the same name begins with no evidence, and each finds its
// own evidence again.
#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "certify/e_process.h"

namespace exeunt::certify {

struct Evidence {
  std::string certificate;  // name of the certificate, for readers of the file
  EProcessState state;
};
using EvidenceByHash = std::map<std::string, Evidence>;  // by CertificateHash

std::string ToJson(const EvidenceByHash& evidence);
// Errors name the certificate's hash, the key, the value and the limit.
Result<EvidenceByHash> ParseEvidence(const std::string& text);
// Returns nothing if there is no such file. A file without valid evidence is an error that names it.
Result<EvidenceByHash> LoadEvidence(const std::string& path);

}  // namespace exeunt::certify
