#include "coordinator/driver/control_messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "transport/control.pb.h"

namespace exeunt::coordinator {
namespace {

using testing::ElementsAre;

TEST(ControlMessages, PlanAndAdmissionsToAWorker) {
  to_worker::Plan plan{.model_path = "m",
                       .exits_path = "e",
                       .stages = {{0, 12}, {12, 30}},
                       .exit_layers = {12, 21},
                       .kv_budget_bytes = 1,
                       .threads = 2,
                       .prefill_chunk_tokens = 3,
                       .max_batch_rows = 4,
                       .pin_threads = true,
                       .adapter_path = "a",
                       .adapter_type = "q8_0",
                       .rope_scaling = "r",
                       .context_length = 5};
  EXPECT_EQ(plan.n_layers(), 30);
  const proto::ToWorker sent = ToProto(plan);
  EXPECT_EQ(sent.plan().model_path(), "m");
  EXPECT_EQ(sent.plan().exits_path(), "e");
  EXPECT_EQ(sent.plan().stages(1).begin(), 12);
  EXPECT_EQ(sent.plan().stages(1).end(), 30);
  EXPECT_THAT(sent.plan().exit_layers(), ElementsAre(12, 21));
  EXPECT_EQ(sent.plan().kv_budget_bytes(), 1U);
  EXPECT_EQ(sent.plan().threads(), 2);
  EXPECT_EQ(sent.plan().prefill_chunk_tokens(), 3);
  EXPECT_EQ(sent.plan().max_batch_rows(), 4);
  EXPECT_TRUE(sent.plan().pin_threads());
  EXPECT_EQ(sent.plan().adapter_path(), "a");
  EXPECT_EQ(sent.plan().adapter_type(), "q8_0");
  EXPECT_EQ(sent.plan().rope_scaling(), "r");
  EXPECT_EQ(sent.plan().context_length(), 5);

  to_worker::OpenSequence open{.sequence = 7, .shared = {.sequence = 6, .tokens = 32}, .retain_tokens = 48};
  open.request.prompt = {4, 5, 6};
  open.request.max_tokens = 9;
  open.request.sampling.seed = 99;
  open.request.score_from = 2;
  const proto::ToWorker admitted = ToProto(to_worker::Admit{{open}});
  ASSERT_EQ(admitted.admit().open_size(), 1);
  const proto::OpenSequence& wire = admitted.admit().open(0);
  EXPECT_EQ(wire.sequence(), 7U);
  EXPECT_THAT(wire.prompt(), ElementsAre(4, 5, 6));
  EXPECT_EQ(wire.max_tokens(), 9U);
  EXPECT_EQ(wire.sampling().seed(), 99U);
  EXPECT_EQ(wire.score_from(), 2U);
  EXPECT_EQ(wire.prefix_of(), 6U);
  EXPECT_EQ(wire.prefix_tokens(), 32U);
  EXPECT_EQ(wire.retain_tokens(), 48U);
}

TEST(ControlMessages, OrdersToAWorker) {
  EXPECT_THAT(ToProto(to_worker::Evict{{1, 2}}).evict().sequence(), ElementsAre(1U, 2U));
  EXPECT_THAT(ToProto(to_worker::Cancel{{3}}).cancel().sequence(), ElementsAre(3U));
  EXPECT_THAT(ToProto(to_worker::Flush{{4}}).flush().sequence(), ElementsAre(4U));
  EXPECT_EQ(ToProto(to_worker::Doorbell{5}).doorbell().opened(), 5U);
  EXPECT_EQ(ToProto(to_worker::Shutdown{"why"}).shutdown().reason(), "why");
}

template <typename T>
T From(const proto::ToCoordinator& message) {
  return std::get<T>(FromProto(message).value());
}

TEST(ControlMessages, TokensAndScoresFromAWorker) {
  proto::ToCoordinator message;
  proto::TokenEvent& event = *message.mutable_tokens()->add_events();
  event.set_sequence(1);
  event.set_generation(2);
  event.set_position(3);
  event.set_token(4);
  event.set_exit_layer(5);
  event.set_logprob(-0.5F);
  event.add_top()->set_token(6);
  event.mutable_top(0)->set_logprob(-0.25F);
  const auto tokens = From<from_worker::Tokens>(message).tokens;
  ASSERT_EQ(tokens.size(), 1U);
  EXPECT_EQ(tokens[0].sequence, 1U);
  EXPECT_EQ(tokens[0].event.generation, 2U);
  EXPECT_EQ(tokens[0].event.position, 3U);
  EXPECT_EQ(tokens[0].event.token, 4);
  EXPECT_EQ(tokens[0].event.exit_layer, 5);
  EXPECT_EQ(tokens[0].event.logprob, -0.5F);
  EXPECT_EQ(tokens[0].event.top.at(0).token, 6);
  EXPECT_EQ(tokens[0].event.top.at(0).logprob, -0.25F);

  proto::PromptScore& score = *message.mutable_scores()->add_scores();
  score.set_sequence(1);
  score.set_position(2);
  score.set_token(3);
  score.set_logprob(-4.0F);
  score.add_top()->set_token(5);
  const auto scores = From<from_worker::Scores>(message).scores;
  ASSERT_EQ(scores.size(), 1U);
  EXPECT_EQ(scores[0].sequence, 1U);
  EXPECT_EQ(scores[0].score.position, 2U);
  EXPECT_EQ(scores[0].score.token, 3);
  EXPECT_EQ(scores[0].score.logprob, -4.0F);
  EXPECT_EQ(scores[0].score.top.at(0).token, 5);
}

TEST(ControlMessages, EndsOfSequencesFromAWorker) {
  proto::ToCoordinator message;
  message.mutable_finished()->set_sequence(1);
  message.mutable_finished()->set_tokens(2);
  message.mutable_finished()->set_reason(proto::FINISH_STOP);
  message.mutable_finished()->set_retained(true);
  const auto finished = From<from_worker::SequenceFinished>(message);
  EXPECT_EQ(finished.sequence, 1U);
  EXPECT_EQ(finished.tokens, 2U);
  EXPECT_EQ(finished.reason, EndReason::kStop);
  EXPECT_TRUE(finished.retained);
  message.mutable_refused()->set_sequence(3);
  message.mutable_refused()->set_reason("no");
  EXPECT_EQ(From<from_worker::SequenceRefused>(message).sequence, 3U);
  EXPECT_EQ(From<from_worker::SequenceRefused>(message).reason, "no");
  message.mutable_failed()->set_sequence(4);
  message.mutable_failed()->set_reason("out of memory");
  EXPECT_EQ(From<from_worker::SequenceFailed>(message).sequence, 4U);
  EXPECT_EQ(From<from_worker::SequenceFailed>(message).reason, "out of memory");
  message.mutable_closed()->add_sequence(5);
  EXPECT_THAT(From<from_worker::SequencesClosed>(message).sequences, ElementsAre(5U));
}

TEST(ControlMessages, HealthFromAWorker) {
  proto::ToCoordinator message;
  message.mutable_load_progress()->set_fraction(0.5F);
  message.mutable_load_progress()->set_what("layers");
  EXPECT_EQ(From<from_worker::LoadProgress>(message).fraction, 0.5F);
  EXPECT_EQ(From<from_worker::LoadProgress>(message).what, "layers");
  proto::Ready& ready = *message.mutable_ready();
  ready.set_kv_pages(1);
  ready.set_page_tokens(2);
  ready.set_weight_bytes(3);
  ready.set_head_bytes(4);
  ready.set_isa("avx2");
  ready.set_invariance("bit-exact");
  const auto loaded = From<from_worker::Ready>(message);
  EXPECT_EQ(loaded.kv_pages, 1U);
  EXPECT_EQ(loaded.page_tokens, 2U);
  EXPECT_EQ(loaded.weight_bytes, 3U);
  EXPECT_EQ(loaded.head_bytes, 4U);
  EXPECT_EQ(loaded.isa, "avx2");
  EXPECT_EQ(loaded.invariance, "bit-exact");
  message.mutable_heartbeat()->set_progress(5);
  message.mutable_heartbeat()->set_busy(true);
  EXPECT_EQ(From<from_worker::Heartbeat>(message).progress, 5U);
  EXPECT_TRUE(From<from_worker::Heartbeat>(message).busy);
  message.mutable_fatal()->set_message("x");
  EXPECT_EQ(From<from_worker::Fatal>(message).message, "x");
  message.mutable_hello();
  EXPECT_FALSE(FromProto(message).has_value());
  EXPECT_FALSE(FromProto(proto::ToCoordinator()).has_value());
}

TEST(ControlMessages, AReportFromAWorker) {
  proto::ToCoordinator message;
  proto::StageReport& wire = *message.mutable_report();
  from_worker::StageReport report;
  // Each number is another one.
  double next = 0;
  const auto is = [&](auto value) { return static_cast<double>(value) == next; };
#define EXPECT_CARRIED(field)                                    \
  wire.set_##field(static_cast<decltype(wire.field())>(++next)); \
  report = From<from_worker::StageReport>(message);              \
  EXPECT_TRUE(is(report.field)) << #field
  EXPECT_CARRIED(steps);
  EXPECT_CARRIED(live_rows);
  EXPECT_CARRIED(prompt_rows);
  EXPECT_CARRIED(fill_rows);
  EXPECT_CARRIED(fills_sent);
  EXPECT_CARRIED(fills_dropped);
  EXPECT_CARRIED(frames_sent);
  EXPECT_CARRIED(returns_sent);
  EXPECT_CARRIED(frames_received);
  EXPECT_CARRIED(bytes_sent);
  EXPECT_CARRIED(bytes_received);
  EXPECT_CARRIED(busy_seconds);
  EXPECT_CARRIED(idle_seconds);
  EXPECT_CARRIED(bubble_seconds);
  EXPECT_CARRIED(blocked_seconds);
  EXPECT_CARRIED(kv_pages_used);
  EXPECT_CARRIED(open_sequences);
  EXPECT_CARRIED(backlog_rows);
  EXPECT_CARRIED(frames_in_flight);
  EXPECT_CARRIED(micro_batches);
  EXPECT_CARRIED(micro_batches_max);
  EXPECT_CARRIED(stale_frames);
  EXPECT_CARRIED(largest_batch_rows);
  EXPECT_CARRIED(mixed_batches);
#undef EXPECT_CARRIED
  wire.add_step_rows(7);
  wire.add_exits()->set_layer(12);
  wire.mutable_exits(0)->set_count(3);
  proto::SequenceState& state = *wire.add_sequences();
  state.set_sequence(1);
  state.set_watermark(2);
  state.set_backlog(3);
  report = From<from_worker::StageReport>(message);
  EXPECT_THAT(report.step_rows, ElementsAre(7U));
  EXPECT_EQ(report.exits.at(0).layer, 12);
  EXPECT_EQ(report.exits.at(0).count, 3U);
  EXPECT_EQ(report.sequences.at(0).sequence, 1U);
  EXPECT_EQ(report.sequences.at(0).watermark, 2U);
  EXPECT_EQ(report.sequences.at(0).backlog, 3U);
}

}  // namespace
}  // namespace exeunt::coordinator
