// StateCorpus has a model's answers to prompts (greedy, mode off) and their hidden states. Probing and
// fitting exits read it. Only token ids are kept. States are computed again at each pass, bit-identical to
// those of the generation, so that memory does not grow with the corpus. The layers are spread over the ranks
// of an MPI job. Rank 0 has the answers and the head. The other ranks Serve it their layers.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "text/open_tokenizer.h"
#include "tools/exits/state_relay.h"
#include "tools/model_options.h"
#include "transport/mpi/mpi_channel.h"

namespace exeunt::tools {

struct CorpusOptions {
  ModelOptions model;
  std::string prompts;
  size_t limit = 0;  // number of prompts; 0: all
  int max_tokens = 128;
  size_t streams = 32;
  int threads = 1;
  std::string split = "auto";

  void AddTo(CLI::App* app);
};

// The states that gave the tokens of one answer.
struct AnswerStates {
  int rows = 0;
  const StateRelay::States& at;     // by depth, [rows, d_model]
  const int32_t* tokens = nullptr;  // [rows]: tokens of the full model
  std::vector<int32_t> prompt;
};

// Answers [begin, end).
struct AnswerRange {
  size_t begin = 0;
  size_t end = 0;
};

class StateCorpus {
 public:
  // Generates the answers, with a progress bar on stderr if that is a terminal. Every rank must call it.
  // Errors name file, line, value and limit.
  static Result<std::unique_ptr<StateCorpus>> Create(const CorpusOptions& options,
                                                     const transport::MpiSession& mpi);
  // Ends the other ranks' Serve.
  ~StateCorpus();

  bool leads() const { return rank_ == 0; }
  // Runs the layers of a rank other than 0 until rank 0's corpus is destroyed.
  Status Serve() { return relay_->Serve(); }

  // The functions below are for rank 0.

  // Runs some answers through the model and hands out their states after `depths` layers, ascending. The
  // progress bar shows `what`.
  Status ForEach(AnswerRange range, const std::vector<int>& depths, const char* what,
                 const std::function<void(const AnswerStates&)>& visit);

  const ModelSource& source() const { return *source_; }
  const std::shared_ptr<const ModelSource>& shared_source() const { return source_; }
  StateReader& reader() { return *reader_; }
  size_t answers() const { return answers_.size(); }
  size_t tokens(AnswerRange range) const;  // tokens of the answers
  std::span<const int32_t> said(size_t answer) const;
  size_t tokens() const { return tokens({0, answers()}); }

 private:
  struct Answer {
    std::vector<int32_t> ids;  // prompt, then the generated tokens
    int prompt_tokens = 0;
  };
  StateCorpus() = default;
  Status Generate(const CorpusOptions& options, const std::vector<LayerSpan>& split);

  int rank_ = 0;
  std::shared_ptr<const ModelSource> source_;
  std::unique_ptr<transport::DataChannel> channel_;
  std::unique_ptr<StateReader> reader_;
  std::optional<StateRelay> relay_;
  std::vector<Answer> answers_;
};

}  // namespace exeunt::tools
