#include "tools/exits/translator_refinement.h"

#include <algorithm>

#include "fit/kl_refinement.h"
#include "tools/exits/exit_judge.h"

namespace exeunt::tools {
namespace {

constexpr int kBatchRows = 128;         // least rows of a mini-batch
constexpr float kRate = 2e-4F;          // rate of the first step, which falls evenly to 0
constexpr float kUnit = 1.0F / 256.0F;  // unit of rounded gradients, whose noise is far below a mini-batch's

class TranslatorRefinement {
 public:
  TranslatorRefinement(StateCorpus* corpus, const std::vector<FittedExit>& exits, double rows_to_come);
  void Add(const AnswerStates& states);
  std::vector<fit::AffineMap> maps() const;

 private:
  void Step();

  StateReader& reader_;
  ExitJudge judge_;
  std::vector<int> layers_;
  std::vector<fit::KlRefinement> fits_;   // by exit
  std::vector<std::vector<float>> from_;  // by exit, [rows_, d_model]: states of the mini-batch
  std::vector<float> last_;               // [rows_, d_model]: states after the last layer
  int rows_ = 0;
  double rows_done_ = 0;
  double rows_to_come_;  // rows of all passes that are left
};

TranslatorRefinement::TranslatorRefinement(StateCorpus* corpus, const std::vector<FittedExit>& exits,
                                           double rows_to_come)
    : reader_(corpus->reader()), judge_(&reader_), from_(exits.size()), rows_to_come_(rows_to_come) {
  const std::vector<float>& norm = reader_.weights().head_norm;
  const Eigen::Map<const Eigen::VectorXf> weight(norm.data(), static_cast<Eigen::Index>(norm.size()));
  for (const FittedExit& exit : exits) {
    layers_.push_back(exit.layer);
    fits_.emplace_back(*exit.translator, weight, reader_.config().norm_eps);
  }
}

void TranslatorRefinement::Add(const AnswerStates& states) {
  for (size_t e = 0; e < layers_.size(); ++e) {
    const std::vector<float>& x = states.at.at(layers_[e]);
    from_[e].insert(from_[e].end(), x.begin(), x.end());
  }
  const std::vector<float>& last = states.at.at(reader_.config().n_layers);
  last_.insert(last_.end(), last.begin(), last.end());
  rows_ += states.rows;
  if (rows_ >= kBatchRows) Step();
}

void TranslatorRefinement::Step() {
  const int d = reader_.config().d_model;
  const PackedMatrix& head = reader_.weights().head.parts()[0].weight;
  const auto rate = static_cast<float>(double{kRate} * std::max(0.0, 1.0 - rows_done_ / rows_to_come_));
  judge_.SetLast(last_.data(), rows_);
  std::vector<std::vector<fit::LogitEntry>> gradients;  // of all exits, so that the head is dequantised once
  for (size_t e = 0; e < fits_.size(); ++e) {
    const fit::RowMajorMatrix mapped = fits_[e].map().Apply(from_[e].data(), rows_);
    for (auto& row : judge_.Gradients(mapped.data(), kUnit)) gradients.push_back(std::move(row));
  }
  const fit::RowMajorMatrix by_normed = fit::TimesHead(gradients, d, reader_.config().vocab_size,
                                                       [&](int row, float* to) { head.UnpackRow(row, to); });
  for (size_t e = 0; e < fits_.size(); ++e) {
    fits_[e].Step(from_[e].data(), by_normed.middleRows(static_cast<Eigen::Index>(e) * rows_, rows_), rate);
    from_[e].clear();
  }
  last_.clear();
  rows_done_ += rows_;
  rows_ = 0;
}

std::vector<fit::AffineMap> TranslatorRefinement::maps() const {
  std::vector<fit::AffineMap> maps;
  for (const fit::KlRefinement& fit : fits_) maps.push_back(fit.map());
  return maps;
}

}  // namespace

Result<std::vector<fit::AffineMap>> RefineTranslators(StateCorpus* corpus, AnswerRange range,
                                                      const std::vector<FittedExit>& exits, int passes) {
  std::vector<int> depths;
  for (const FittedExit& exit : exits) depths.push_back(exit.layer);
  depths.push_back(corpus->source().config().n_layers);
  TranslatorRefinement refinement(corpus, exits, passes * static_cast<double>(corpus->tokens(range)));
  for (int pass = 0; pass < passes; ++pass) {
    RETURN_IF_ERROR(corpus->ForEach(range, depths, "refining",
                                    [&](const AnswerStates& states) { refinement.Add(states); }));
  }
  return refinement.maps();
}

}  // namespace exeunt::tools
