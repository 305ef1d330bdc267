// Certificate: that a threshold keeps a tolerance, with what it was tested on and what it holds for. One JSON
// file each, in the directory `certificates` beside the exits.
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
  std::string name;    // [A-Za-z0-9_.-], 1 to 64 characters
  std::string family;  // settings of one family were tested together: any of them may be chosen; "": alone
  // What was tested.
  Consistency consistency = Consistency::kTextual;
  std::string loss;  // a TextLoss' name, or "custom"
  Bound bound = Bound::kWsr;
  double delta = 0.0;
  double epsilon = 0.0;
  int64_t n = 0;  // prompts
  uint64_t seed = 0;
  std::string data_hash;  // SHA-256 of the calibration prompts and references
  // What came out.
  double p_value = 0.0;
  double mean_loss = 0.0;  // signed for risk
  double mean_layers = 0.0;
  double mean_cost = 0.0;  // of a token in layers, heads included: the family's fastest has the least
  std::vector<ForcedExit> profile;  // shares of tokens by the exit that they left after, for planning a split
  // Traffic is watched without references: by the least textual tolerance that the same prompts certify
  // (delta itself where consistency is textual).
  double watch_delta = 0.0;
  // What it holds for.
  std::string model_hash;  // ModelSource::ContentHash: with the adapter and the type it is merged into
  std::string exits_hash;  // ExitsHash
  std::string weight_type;
  std::string backend;
  std::vector<int> exit_layers;
  ExitSetting setting;  // mode, measure, threshold, min_layer, decay
  double temperature = 0.0;
  double top_p = 1.0;
  int top_k = 0;
  int max_tokens = 0;             // of every request: a shorter answer is another answer
  std::vector<std::string> stop;  // and it must have these stop strings
  std::string created;            // date, ISO 8601
};

// 1 to 64 of A-Z a-z 0-9 _ . -
bool IsCertificateName(const std::string& name);

std::string ToJson(const Certificate& certificate);
// Errors name the key, the value and the limit.
Result<Certificate> ParseCertificate(const std::string& text);

// All of DIRECTORY/certificates/*.json, by name; none where there is no such directory. Two of one name are
// an error, and members of one family that were not tested together.
Result<std::vector<Certificate>> LoadCertificates(const std::string& exits_directory);

// What a pipeline serves, as a certificate names it.
struct ServedExits {
  std::string model_hash;
  std::string exits_hash;
  std::string backend;
  std::vector<int> exit_layers;
  int max_tokens = 0;  // that a request may ask for
};
// Whether the certificate holds for what is served; the error names what differs.
Status HoldsFor(const Certificate& certificate, const ServedExits& served);

// The certificate of this name, or the fastest of the family of this name; null: there is neither.
const Certificate* FindCertificate(const std::vector<Certificate>& certificates, const std::string& name);

// SHA-256 of all that it says, hex.
std::string CertificateHash(const Certificate& certificate);

// SHA-256 of exits.json and exits.safetensors, hex.
Result<std::string> ExitsHash(const std::string& exits_directory);

}  // namespace exeunt::certify
