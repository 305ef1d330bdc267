#include "backend/oracle/oracle_backend.h"

#include <utility>

#include "kernels/kv_layout.h"

namespace exeunt {
namespace {

class OracleBackend : public Backend {
 public:
  explicit OracleBackend(std::function<OracleOptions(const StageBuild& build)> options_of)
      : options_of_(std::move(options_of)) {}

  const BackendInfo& info() const override { return info_; }

  Result<StageExecutor> Build(const StageBuild& build) const override {
    OracleOptions options = options_of_(build);
    options.n_layers = build.source->config().n_layers;
    StageExecutor stage;
    stage.executor = std::make_unique<OracleExecutor>(std::move(options));
    stage.op_seconds = [] { return OpSeconds{}; };
    return stage;
  }

  size_t PageBytes(const ModelConfig&, int) const override { return 1; }

 private:
  std::function<OracleOptions(const StageBuild& build)> options_of_;
  BackendInfo info_{.name = "oracle", .page_tokens = kPageTokens, .state_type = "digest", .bit_exact = true};
};

}  // namespace

std::shared_ptr<const Backend> MakeOracleBackend(
    std::function<OracleOptions(const StageBuild& build)> options_of) {
  return std::make_shared<OracleBackend>(std::move(options_of));
}

}  // namespace exeunt
