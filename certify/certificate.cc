#include "certify/certificate.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <tuple>

#include "base/error.h"
#include "base/json.h"
#include "base/json_reader.h"
#include "base/mmap.h"
#include "base/sha256.h"

namespace exeunt::certify {
namespace {

namespace json = boost::json;

constexpr size_t kMaxFileBytes = size_t{1} << 20;
constexpr size_t kMaxNameChars = 64;
constexpr int64_t kMaxCount = int64_t{1} << 40;
constexpr double kShareTolerance = 1e-5;

std::optional<Consistency> ConsistencyOf(std::string_view name) {
  if (name == "textual") return Consistency::kTextual;
  if (name == "risk") return Consistency::kRisk;
  return std::nullopt;
}

void ReadDecay(JsonReader* reader, ExitSetting* setting) {
  const json::value* v = reader->Take("decay");
  if (v == nullptr || v->is_null()) return;
  if (!v->is_object()) return reader->Fail("decay", *v, "null or {tau, n}");
  JsonReader inner(v->get_object());
  ExitDecay decay;
  decay.tau = static_cast<float>(inner.Number("tau", 0, 1000));
  decay.n = static_cast<int>(inner.Integer("n", 1, 1 << 24));
  if (!inner.Done()) return reader->Fail("decay", *v, "null or {tau, n}");
  setting->decay = decay;
}

void ReadSetting(JsonReader* reader, Certificate* c) {
  c->setting.mode = reader->Named("mode", &ExitModeOf);
  c->setting.measure = reader->Named("measure", &ExitMeasureOf);
  c->setting.threshold = static_cast<float>(reader->Number("threshold", 0, 1));
  c->setting.min_layer = static_cast<int>(reader->Integer("min_layer", 0, 4096));
  ReadDecay(reader, &c->setting);
  const json::value* layers = reader->Take("exit_layers");
  if (layers != nullptr && !layers->is_array()) reader->Fail("exit_layers", *layers, "a list");
  if (layers == nullptr || !layers->is_array()) return;
  for (const json::value& layer : layers->get_array()) {
    const bool valid = layer.is_int64() && layer.get_int64() >= 1 && layer.get_int64() <= 4096;
    if (!valid) return reader->Fail("exit_layers", layer, "a layer in [1, 4096]");
    c->exit_layers.push_back(static_cast<int>(layer.get_int64()));
  }
}

void ReadStop(JsonReader* reader, Certificate* c) {
  const json::value* stop = reader->Take("stop");
  if (stop == nullptr) return;
  if (!stop->is_array()) return reader->Fail("stop", *stop, "a list of strings");
  for (const json::value& text : stop->get_array()) {
    if (!text.is_string()) return reader->Fail("stop", *stop, "a list of strings");
    c->stop.emplace_back(text.get_string());
  }
}

// Reads {"8": 0.42, "14": 0.09}, which are shares by layer, ascending, with a sum of at most 1.
void ReadProfile(JsonReader* reader, Certificate* c) {
  const json::value* profile = reader->Take("profile");
  if (profile == nullptr) return;
  constexpr const char* kWanted = "ascending exit layers and the share of tokens that left after each";
  if (!profile->is_object()) return reader->Fail("profile", *profile, kWanted);
  double sum = 0;
  int last = 0;
  for (const auto& [name, value] : profile->get_object()) {
    int layer = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), layer);
    const double share = value.is_number() ? value.to_number<double>() : -1.0;
    sum += share;
    if (error != std::errc() || end != name.data() + name.size() || layer <= last || layer > 4096 ||
        !(share >= 0) || sum > 1 + kShareTolerance) {
      return reader->Fail("profile", *profile, kWanted);
    }
    last = layer;
    c->profile.push_back({layer, static_cast<float>(share)});
  }
}

json::object ProfileJson(const Certificate& c) {
  json::object profile;
  for (const ForcedExit& exit : c.profile) profile[std::to_string(exit.layer)] = exit.probability;
  return profile;
}

// Returns whether two members of a family can be of one fixed sequence. They need the same test of the same
// data.
bool TestedTogether(const Certificate& a, const Certificate& b) {
  const auto test = [](const Certificate& c) {
    return std::tie(c.consistency, c.loss, c.bound, c.delta, c.epsilon, c.n, c.seed, c.data_hash,
                    c.model_hash, c.exits_hash, c.backend, c.exit_layers, c.temperature, c.top_p, c.top_k,
                    c.max_tokens, c.stop);
  };
  return test(a) == test(b);
}

Status CheckFamilies(const std::vector<Certificate>& certificates) {
  std::map<std::string, const Certificate*> families;
  for (const Certificate& c : certificates) {
    if (c.family.empty()) continue;
    const Certificate& first = *families.emplace(c.family, &c).first->second;
    if (TestedTogether(first, c)) continue;
    return InvalidArgument(
        "certificates '{}' and '{}' call themselves family '{}', and were not tested together", first.name,
        c.name, c.family);
  }
  for (const Certificate& c : certificates) {
    if (families.contains(c.name)) {
      return InvalidArgument("'{}' is the name of a certificate and of a family", c.name);
    }
  }
  return OkStatus();
}

}  // namespace

bool IsCertificateName(const std::string& name) {
  return !name.empty() && name.size() <= kMaxNameChars && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  });
}

std::string ToJson(const Certificate& c) {
  json::value decay = nullptr;
  if (c.setting.decay) decay = json::object{{"tau", c.setting.decay->tau}, {"n", c.setting.decay->n}};
  return json::serialize(json::object{
      {"format", 1},
      {"name", c.name},
      {"family", c.family},
      {"consistency", c.consistency == Consistency::kRisk ? "risk" : "textual"},
      {"loss", c.loss},
      {"bound", BoundName(c.bound)},
      {"delta", c.delta},
      {"epsilon", c.epsilon},
      {"n", c.n},
      {"seed", c.seed},
      {"data", c.data_hash},
      {"p_value", c.p_value},
      {"mean_loss", c.mean_loss},
      {"mean_layers", c.mean_layers},
      {"mean_cost", c.mean_cost},
      {"profile", ProfileJson(c)},
      {"watch_delta", c.watch_delta},
      {"model", c.model_hash},
      {"exits", c.exits_hash},
      {"weight_type", c.weight_type},
      {"backend", c.backend},
      {"exit_layers", json::value_from(c.exit_layers)},
      {"mode", ExitModeName(c.setting.mode)},
      {"measure", ExitMeasureName(c.setting.measure)},
      {"threshold", c.setting.threshold},
      {"min_layer", c.setting.min_layer},
      {"decay", decay},
      {"temperature", c.temperature},
      {"top_p", c.top_p},
      {"top_k", c.top_k},
      {"max_tokens", c.max_tokens},
      {"stop", json::value_from(c.stop)},
      {"created", c.created},
  });
}

Result<Certificate> ParseCertificate(const std::string& text) {
  ASSIGN_OR_RETURN(const json::object object, ParseJsonObject(text));
  JsonReader reader(object);
  Certificate c;
  reader.Integer("format", 1, 1);
  c.name = reader.String("name");
  c.family = reader.String("family");
  if (!IsCertificateName(c.name)) reader.Fail("name", json::value(c.name), "1 to 64 of A-Z a-z 0-9 _ . -");
  if (!c.family.empty() && !IsCertificateName(c.family))
    reader.Fail("family", json::value(c.family), "a name or empty");
  c.consistency = reader.Named("consistency", &ConsistencyOf);
  c.loss = reader.String("loss");
  if (!TextLossOf(c.loss) && c.loss != "custom") reader.Fail("loss", json::value(c.loss), "a known loss");
  c.bound = reader.Named("bound", &BoundOf);
  c.delta = reader.Number("delta", 1e-9, 1 - 1e-9);
  c.epsilon = reader.Number("epsilon", 1e-9, 1 - 1e-9);
  c.n = reader.Integer("n", 1, kMaxCount);
  c.seed = static_cast<uint64_t>(reader.Integer("seed", 0, kMaxCount));
  c.data_hash = reader.Hash("data");
  c.p_value = reader.Number("p_value", 0, 1);
  c.mean_loss = reader.Number("mean_loss", -1, 1);
  c.mean_layers = reader.Number("mean_layers", 0, 4096);
  c.mean_cost = reader.Number("mean_cost", 0, 1e6);
  ReadProfile(&reader, &c);
  c.watch_delta = reader.Number("watch_delta", 1e-9, 1 - 1e-9);
  c.model_hash = reader.Hash("model");
  c.exits_hash = reader.Hash("exits");
  c.weight_type = reader.String("weight_type");
  c.backend = reader.String("backend");
  ReadSetting(&reader, &c);
  c.temperature = reader.Number("temperature", 0, 2);
  c.top_p = reader.Number("top_p", 0, 1);
  c.top_k = static_cast<int>(reader.Integer("top_k", 0, 1 << 30));
  c.max_tokens = static_cast<int>(reader.Integer("max_tokens", 1, 1 << 24));
  ReadStop(&reader, &c);
  c.created = reader.String("created");
  RETURN_IF_ERROR(reader.Done());
  return c;
}

Result<std::vector<Certificate>> LoadCertificates(const std::string& exits_directory) {
  namespace fs = std::filesystem;
  std::vector<std::string> paths;
  std::error_code error;
  const std::string directory = exits_directory + "/certificates";
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (entry.path().extension() == ".json") paths.push_back(entry.path().string());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return Unavailable("{}: {}", directory, error.message());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Certificate> certificates;
  std::set<std::string> names;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, kMaxFileBytes));
    auto certificate = ParseCertificate(text);
    if (!certificate.has_value()) return Annotate(certificate.error(), path);
    if (!names.insert(certificate->name).second) {
      return InvalidArgument("{}: a certificate of the name '{}' is there twice", path, certificate->name);
    }
    certificates.push_back(std::move(certificate).value());
  }
  const Status families = CheckFamilies(certificates);
  if (!families) return Annotate(families.error(), directory);
  return certificates;
}

const Certificate* FindCertificate(const std::vector<Certificate>& certificates, const std::string& name) {
  const Certificate* fastest = nullptr;
  for (const Certificate& c : certificates) {
    if (c.name == name) return &c;
    if (c.family == name && (fastest == nullptr || c.mean_cost < fastest->mean_cost)) fastest = &c;
  }
  return fastest;
}

Status HoldsFor(const Certificate& c, const ServedExits& served) {
  if (c.model_hash != served.model_hash) {
    return InvalidArgument("it was tested with model and adapter {}, served are {}", c.model_hash,
                           served.model_hash);
  }
  if (c.exits_hash != served.exits_hash) {
    return InvalidArgument("it was tested with exits {}, served are {}", c.exits_hash, served.exits_hash);
  }
  if (c.backend != served.backend) {
    return InvalidArgument("it was tested on the backend {}, this is {}", c.backend, served.backend);
  }
  if (c.exit_layers != served.exit_layers) {
    return InvalidArgument("it was tested with exits after layers {}, here they are after {}",
                           fmt::join(c.exit_layers, ", "), fmt::join(served.exit_layers, ", "));
  }
  if (c.max_tokens > served.max_tokens) {
    return InvalidArgument("it was tested with answers of up to {} tokens, this server gives at most {}",
                           c.max_tokens, served.max_tokens);
  }
  return OkStatus();
}

std::string CertificateHash(const Certificate& certificate) {
  const std::string json = ToJson(certificate);
  Sha256 sha;
  sha.Update(json.data(), json.size());
  return sha.Hex();
}

Result<std::string> ExitsHash(const std::string& exits_directory) {
  Sha256 sha;
  for (const char* file : {"/exits.json", "/exits.safetensors"}) {
    ASSIGN_OR_RETURN(const auto mapped, MappedFile::Open(exits_directory + file));
    sha.Update(mapped->bytes().data(), mapped->bytes().size());
  }
  return sha.Hex();
}

}  // namespace exeunt::certify
