// RowMaker decides which rows stage 0 makes for its next step. It knows the prompts that are still to be read
// and the sequences whose next token can be computed. It learns the cost of a layer and how many stages
// tokens use. Pure. Stage 0 owns it. Not thread-safe.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/fifo.h"
#include "costs/learnt_cost.h"
#include "worker/core/batcher.h"
#include "worker/core/sequence_table.h"
#include "worker/core/slot_pool.h"
#include "worker/core/stage_config.h"

namespace exeunt::worker {

class RowMaker {
 public:
  // All arguments must outlive the row maker. It makes rows for the batcher's first segment.
  RowMaker(const StageConfig* config, SequenceTable* sequences, SlotPool* slots, Batcher* batcher);

  void AddPrompt(uint64_t sequence) { prefill_.push_back(sequence); }
  // The sequence's last token is known, so that its next one can be computed.
  void AddReady(uint64_t sequence) { ready_.push_back(sequence); }
  // The sequence is over. Prompt rows that outlive it are still made.
  void Closed(const Sequence& sequence);
  void Make(TimePoint now);

  // Learns that a token left after `exit_layer` layers.
  void LearnExit(int exit_layer);
  // Learns the time of a layer with `rows` rows.
  void LearnLayer(int rows, double seconds) { layer_cost_.Observe(rows, seconds); }

 private:
  void MakeRow(const Sequence& sequence, int position, const RowPlan& plan, TimePoint now);
  void MakeDecodeRows(int limit, TimePoint now);
  void MakePromptRows(int budget, TimePoint now);

  const StageConfig* config_;
  SequenceTable* sequences_;
  SlotPool* slots_;
  Batcher* batcher_;
  Fifo<uint64_t> prefill_;  // sequences with prompt rows to make
  Fifo<uint64_t> ready_;    // sequences whose next decode row can be made
  double stages_used_;      // stages that a token uses, as a recent average
  LearntCost layer_cost_;   // cost of a layer by its running rows
};

}  // namespace exeunt::worker
