// exeunt watch estimates whether audits of a certificate would raise an alarm on such traffic.
#include "tools/exits/watch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>
#include <cstdio>
#include <memory>
#include <numeric>

#include "base/error.h"
#include "base/mmap.h"
#include "certify/replay.h"
#include "tools/verbs.h"

namespace exeunt::tools {
namespace {

struct WatchOptions {
  std::string certificate;
  std::string sweep;
  certify::ReplayOptions replay;
  bool json = false;
};

Status CheckSweep(const certify::Certificate& c, const SweepHeader& header) {
  const auto check = [&](const char* what, const std::string& tested, const std::string& swept) -> Status {
    if (tested == swept) return OkStatus();
    return InvalidArgument("{} of the sweep: {}; of certificate '{}': {}", what, swept, c.name, tested);
  };
  RETURN_IF_ERROR(check("model", c.model_hash, header.model_hash));
  RETURN_IF_ERROR(check("exits", c.exits_hash, header.exits_hash));
  RETURN_IF_ERROR(check("exit layers", fmt::format("{}", fmt::join(c.exit_layers, ",")), header.exit_layers));
  return check("max_tokens", std::to_string(c.max_tokens), std::to_string(header.max_tokens));
}

Result<certify::Certificate> ReadCertificate(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, size_t{1} << 20));
  auto certificate = certify::ParseCertificate(text);
  if (!certificate) return Annotate(certificate.error(), path);
  return certificate;
}

void Print(const WatchOptions& options, const certify::Certificate& c, const std::vector<double>& losses) {
  const certify::ReplayOptions& replay = options.replay;
  const std::vector<int64_t> alarms = certify::ReplayAlarms(losses, replay);
  const double mean = std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size());
  const double share = static_cast<double>(alarms.size()) / replay.replays;
  const auto half = static_cast<size_t>(replay.replays / 2);
  if (options.json) {
    boost::json::value median = nullptr;
    if (alarms.size() > half) median = alarms[half];
    std::puts(boost::json::serialize(boost::json::object{{"certificate", c.name},
                                                         {"prompts", losses.size()},
                                                         {"mean_loss", mean},
                                                         {"watch_delta", c.watch_delta},
                                                         {"replays", replay.replays},
                                                         {"requests", replay.requests},
                                                         {"audit_share", replay.share},
                                                         {"audit_level", replay.level},
                                                         {"alarm_share", share},
                                                         {"median_requests_to_alarm", median}})
                  .c_str());
    return;
  }
  std::puts(fmt::format("{}: {}; {} prompts, mean {} {:.4f}, watched at {:.4f}\n"
                        "{} replays of {} requests, a share of {} audited: {:.2f} % alarm; level {:.2f} %",
                        c.name, SettingName(c.setting), losses.size(), c.loss, mean, c.watch_delta,
                        replay.replays, replay.requests, replay.share, 100 * share, 100 * replay.level)
                .c_str());
  if (alarms.size() > half) {
    std::puts(fmt::format("half of them have alarmed after {} requests", alarms[half]).c_str());
  }
}

Status Run(WatchOptions* options) {
  ASSIGN_OR_RETURN(const certify::Certificate certificate, ReadCertificate(options->certificate));
  ASSIGN_OR_RETURN(const SweepFile sweep, ReadSweepFile(options->sweep));
  const auto losses = WatchedLosses(certificate, sweep);
  if (!losses) return Annotate(losses.error(), options->sweep);
  options->replay.delta = certificate.watch_delta;
  Print(*options, certificate, *losses);
  return OkStatus();
}

}  // namespace

Result<std::vector<double>> WatchedLosses(const certify::Certificate& c, const SweepFile& sweep) {
  const auto kind = certify::TextLossOf(c.loss);
  if (!kind) return InvalidArgument("certificate '{}' has losses of your own, which nothing watches", c.name);
  RETURN_IF_ERROR(CheckSweep(c, sweep.header));
  const std::string setting = SettingName(c.setting);
  std::map<size_t, const std::string*> full;
  for (const SweepLine& line : sweep.lines) {
    if (line.setting == "off") full[line.prompt] = &line.answer.text;
  }
  std::vector<double> losses;
  for (const SweepLine& line : sweep.lines) {
    if (line.setting != setting) continue;
    const auto it = full.find(line.prompt);
    if (it != full.end()) losses.push_back(certify::Loss(*kind, line.answer.text, *it->second));
  }
  if (losses.empty()) return InvalidArgument("no prompt has answers of both off and {}", setting);
  return losses;
}

void AddWatch(CLI::App* app, int* status) {
  auto options = std::make_shared<WatchOptions>();
  CLI::App* verb = app->add_subcommand(
      "watch",
      "Replay a sweep's answers as traffic: how often would audits of a certificate raise the alarm?");
  verb->add_option("--certificate", options->certificate, "file of the certificate")->required();
  verb->add_option("--sweep", options->sweep, "file of `exeunt sweep` or `calibrate`, of off and its setting")
      ->required();
  verb->add_option("--replays", options->replay.replays, "traffics that are drawn")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 24));
  verb->add_option("--requests", options->replay.requests, "of each, drawn from the sweep with replacement")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  verb->add_option("--audit-share", options->replay.share, "as the coordinator's")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  verb->add_option("--audit-level", options->replay.level, "as the coordinator's")
      ->capture_default_str()
      ->check(CLI::Range(1e-9, 0.999));
  verb->add_option("--seed", options->replay.seed, "of the draws")->capture_default_str();
  verb->add_flag("--json", options->json, "one JSON object");
  verb->callback([options, status] { *status = Report("watch", Run(options.get())); });
}

}  // namespace exeunt::tools
