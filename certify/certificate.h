// A Certificate says that a threshold keeps a tolerance, what it was tested on, and what it holds for. Each
// is a JSON file in the directory `certificates` beside the exits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "certify/bounds.h"
#include "certify/text_loss.h"
#include "request/exit_setting.h"

namespace exeunt::certify {

// textual: E[loss(answer, the full model's answer)] <= delta. risk: E[loss(answer, reference)] <= E[loss(full
// model's answer, reference)] + delta (arXiv 2207.07061, section 3.1).
enum class Consistency : uint8_t { kTextual, kRisk };

struct Certificate {
  std::string name;  // [A-Za-z0-9_.-], 1 to 64 characters
  // Settings of one family were tested together, so that a client may choose any of them. "" is no family.
  std::string family;
  // The test.
  Consistency consistency = Consistency::kTextual;
  std::string loss;  // a TextLoss' name, or "custom"
  Bound bound = Bound::kWsr;
  double delta = 0.0;
  double epsilon = 0.0;
  int64_t n = 0;  // number of prompts
  uint64_t seed = 0;
  std::string data_hash;  // SHA-256 of the calibration prompts and references
  // The result of the test.
  double p_value = 0.0;
  double mean_loss = 0.0;  // signed for risk
  double mean_layers = 0.0;
  double mean_cost = 0.0;  // cost of a token in layers, with heads; it is least for the family's fastest
  std::vector<ForcedExit> profile;  // share of tokens by the exit where they left, to plan splits
  // Traffic is watched without references. The tolerance is the least textual one that the same prompts
  // certify, or delta itself if consistency is textual.
  double watch_delta = 0.0;
  // The conditions under which it holds.
  std::string model_hash;  // ModelSource::ContentHash, with the adapter and the type of merged matrices
  std::string exits_hash;  // result of ExitsHash
  std::string weight_type;
  std::string backend;
  std::vector<int> exit_layers;
  ExitSetting setting;  // mode, measure, threshold, min_layer, decay
  double temperature = 0.0;
  double top_p = 1.0;
  int top_k = 0;
  int max_tokens = 0;             // exact value for every request, because a shorter answer differs
  std::vector<std::string> stop;  // exact stop strings for every request
  std::string created;            // date, ISO 8601
};

// Returns whether the name has 1 to 64 characters of A-Z a-z 0-9 _ . -
bool IsCertificateName(const std::string& name);

std::string ToJson(const Certificate& certificate);
// Errors name the key, the value and the limit.
Result<Certificate> ParseCertificate(const std::string& text);

// Loads all of DIRECTORY/certificates/*.json by name, or none if there is no such directory. Two certificates
// of one name are an error. Members of one family that were not tested together are an error, too.
Result<std::vector<Certificate>> LoadCertificates(const std::string& exits_directory);

// The served exits, in the terms of a certificate.
struct ServedExits {
  std::string model_hash;
  std::string exits_hash;
  std::string backend;
  std::vector<int> exit_layers;
  int max_tokens = 0;  // limit for requests
};
// Checks whether the certificate holds for what is served. The error names what differs.
Status HoldsFor(const Certificate& certificate, const ServedExits& served);

// Returns the certificate of this name, or the fastest of the family of this name, or null.
const Certificate* FindCertificate(const std::vector<Certificate>& certificates, const std::string& name);

// Returns the SHA-256 of the certificate's contents as hex.
std::string CertificateHash(const Certificate& certificate);

// Returns the SHA-256 of exits.json and exits.safetensors as hex.
Result<std::string> ExitsHash(const std::string& exits_directory);

}  // namespace exeunt::certify
