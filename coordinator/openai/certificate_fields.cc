// Decides whether a certificate covers a request.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "coordinator/openai/request_fields.h"

namespace exeunt::coordinator {
namespace {

// Returns the part of the request that the certificate does not cover, or "". Sets what the request leaves
// open to the certificate's values.
std::string Uncovered(FieldReader* fields, const certify::Certificate& certificate,
                      GenerationRequest* request) {
  SamplingParams& sampling = request->sampling;
  const auto differs = [&](const char* key, double asked, double tested) {
    return fields->Find(key) != nullptr && asked != tested;
  };
  if (differs("temperature", static_cast<double>(sampling.temperature), certificate.temperature))
    return fmt::format("'temperature' {}, not {}", certificate.temperature, sampling.temperature);
  if (differs("top_p", static_cast<double>(sampling.top_p), certificate.top_p) && certificate.temperature > 0)
    return fmt::format("'top_p' {}, not {}", certificate.top_p, sampling.top_p);
  if (differs("top_k", sampling.top_k, certificate.top_k) && certificate.temperature > 0)
    return fmt::format("'top_k' {}, not {}", certificate.top_k, sampling.top_k);
  if (request->max_tokens && *request->max_tokens != static_cast<uint32_t>(certificate.max_tokens))
    return fmt::format("'max_tokens' {}, not {}", certificate.max_tokens, *request->max_tokens);
  if (fields->Find("stop") != nullptr && request->stop != certificate.stop)
    return fmt::format("the stop strings [{}]", fmt::join(certificate.stop, ", "));
  if (request->ignore_eos || !request->stop_token_ids.empty() || sampling.min_tokens > 0)
    return "answers that end where the model ends them, not 'ignore_eos', 'stop_token_ids' or 'min_tokens'";
  if (sampling.AdjustsLogits() || !request->bad_words.empty())
    return "the model's own logits, without penalties, 'logit_bias', 'allowed_token_ids' or 'bad_words'";
  if (request->show_stop) return "text without what ended it, which 'include_stop_str_in_output' shows";
  if (request->render_special) return "text without special tokens, which 'skip_special_tokens' false shows";
  if (sampling.min_p > 0 && certificate.temperature > 0)
    return fmt::format("'min_p' 0, not {}", sampling.min_p);
  if (request->ranked()) return "an answer as it comes, not the best of several";
  if (sampling.n_logprobs >= 0 && Info(certificate.setting.measure).gives_token)
    return "tokens of the preview, not of the whole head, which 'logprobs' needs";
  return {};
}

void Apply(const certify::Certificate& certificate, GenerationRequest* request) {
  request->certificate = certificate.name;
  request->exit = certificate.setting;
  request->sampling.temperature = static_cast<float>(certificate.temperature);
  request->sampling.top_p = static_cast<float>(certificate.top_p);
  request->sampling.top_k = certificate.top_k;
  request->stop = certificate.stop;
  request->max_tokens = static_cast<uint32_t>(certificate.max_tokens);
}

// Returns the names of certificates and families that a request may ask for.
std::string OfferedNames(const ApiLimits& limits) {
  std::set<std::string> names;
  for (const certify::Certificate& c : limits.certificates) {
    names.insert(c.name);
    if (!c.family.empty()) names.insert(c.family);
  }
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

void RequireCertificate(FieldReader* fields, const ApiLimits& limits, const std::string& name,
                        GenerationRequest* request) {
  const certify::Certificate* certificate = certify::FindCertificate(limits.certificates, name);
  if (certificate == nullptr) {
    const auto refused = limits.uncertified.find(name);
    const std::string why =
        refused == limits.uncertified.end()
            ? fmt::format("there is no certificate '{}'; there are {}", name, OfferedNames(limits))
            : fmt::format("certificate '{}' does not hold here: {}", name, refused->second);
    return fields->Fail("exit.certificate", why, "not_certified");
  }
  const std::string uncovered = Uncovered(fields, *certificate, request);
  if (uncovered.empty()) return Apply(*certificate, request);
  fields->Fail("exit.certificate", fmt::format("certificate '{}' holds for {}", name, uncovered),
               "not_certified");
}

void TryDefaultCertificate(FieldReader* fields, const ApiLimits& limits, GenerationRequest* request) {
  const certify::Certificate* certificate =
      certify::FindCertificate(limits.certificates, limits.default_certificate);
  if (certificate == nullptr) return;
  if (Uncovered(fields, *certificate, request).empty()) request->default_certificate = certificate->name;
  request->exit = {};
}

void ApplyDefaultCertificate(const ApiLimits& limits, int64_t room, GenerationRequest* request) {
  if (request->default_certificate.empty()) return;
  const certify::Certificate* certificate =
      certify::FindCertificate(limits.certificates, request->default_certificate);
  if (room >= certificate->max_tokens) Apply(*certificate, request);
}

}  // namespace exeunt::coordinator
