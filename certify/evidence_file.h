// The evidence against certificates (e_process.h), kept in a file over restarts. Each is bound to the
// certificate's content: another certificate of the same name begins anew, and finds its own again.
#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "certify/e_process.h"

namespace exeunt::certify {

struct Evidence {
  std::string certificate;  // its name, for whoever reads the file
  EProcessState state;
};
using EvidenceByHash = std::map<std::string, Evidence>;  // by CertificateHash

std::string ToJson(const EvidenceByHash& evidence);
// Errors name the certificate's hash, the key, the value and the limit.
Result<EvidenceByHash> ParseEvidence(const std::string& text);
// None where there is no such file; what is there and is not evidence is an error that names it.
Result<EvidenceByHash> LoadEvidence(const std::string& path);

}  // namespace exeunt::certify
