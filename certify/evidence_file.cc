#include "certify/evidence_file.h"

#include <filesystem>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/mmap.h"

namespace exeunt::certify {
namespace {

namespace json = boost::json;

constexpr size_t kMaxFileBytes = size_t{16} << 20;
constexpr int64_t kMaxCount = int64_t{1} << 40;
constexpr double kMaxLog = 1e15;  // kMaxCount losses change it by less

Result<Evidence> ParseOne(const json::value& value) {
  if (!value.is_object()) return InvalidArgument("{} is not an object", JsonText(value));
  JsonReader reader(value.get_object());
  Evidence e;
  e.certificate = reader.String("certificate");
  e.state.count = static_cast<uint64_t>(reader.Integer("count", 0, kMaxCount));
  const auto count = static_cast<double>(e.state.count);
  e.state.sum = reader.Number("sum", 0, count * (1 + 1e-9));  // allows for rounding
  e.state.squares = reader.Number("squares", 0.25, 0.25 + count);
  e.state.log_wealth = reader.Number("log_wealth", -kMaxLog, kMaxLog);
  e.state.log_largest = reader.Number("log_largest", std::max(0.0, e.state.log_wealth), kMaxLog);
  RETURN_IF_ERROR(reader.Done());
  return e;
}

}  // namespace

std::string ToJson(const EvidenceByHash& evidence) {
  json::object by_hash;
  for (const auto& [hash, e] : evidence) {
    by_hash[hash] = json::object{{"certificate", e.certificate},
                                 {"count", e.state.count},
                                 {"sum", e.state.sum},
                                 {"squares", e.state.squares},
                                 {"log_wealth", e.state.log_wealth},
                                 {"log_largest", e.state.log_largest}};
  }
  return json::serialize(json::object{{"format", 1}, {"evidence", std::move(by_hash)}});
}

Result<EvidenceByHash> ParseEvidence(const std::string& text) {
  ASSIGN_OR_RETURN(const json::object object, ParseJsonObject(text));
  JsonReader reader(object);
  reader.Integer("format", 1, 1);
  const json::value* by_hash = reader.Take("evidence");
  if (by_hash != nullptr && !by_hash->is_object()) reader.Fail("evidence", *by_hash, "an object");
  RETURN_IF_ERROR(reader.Done());
  EvidenceByHash evidence;
  for (const auto& [hash, value] : by_hash->get_object()) {
    auto one = ParseOne(value);
    if (!one) return Annotate(one.error(), std::string(hash));
    evidence.emplace(hash, std::move(*one));
  }
  return evidence;
}

Result<EvidenceByHash> LoadEvidence(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return EvidenceByHash{};
  ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, kMaxFileBytes));
  auto evidence = ParseEvidence(text);
  if (!evidence) return Annotate(evidence.error(), path);
  return evidence;
}

}  // namespace exeunt::certify
