#include "coordinator/driver/control_messages.h"

#include "transport/control.pb.h"
#include "transport/request_message.h"

namespace exeunt::coordinator {
namespace {

using google::protobuf::RepeatedPtrField;

std::vector<LikelyToken> TopOf(const RepeatedPtrField<proto::TokenLogprob>& top) {
  std::vector<LikelyToken> tokens;
  tokens.reserve(static_cast<size_t>(top.size()));
  for (const proto::TokenLogprob& t : top) tokens.push_back({t.token(), t.logprob()});
  return tokens;
}

template <typename Field>
auto ListOf(const Field& field) {
  return std::vector(field.begin(), field.end());
}

void Set(const to_worker::Plan& plan, proto::ToWorker* message) {
  proto::Plan& to = *message->mutable_plan();
  to.set_model_path(plan.model_path);
  to.set_exits_path(plan.exits_path);
  for (const to_worker::LayerRange& range : plan.stages) {
    proto::LayerRange& stage = *to.add_stages();
    stage.set_begin(range.begin);
    stage.set_end(range.end);
  }
  to.mutable_exit_layers()->Add(plan.exit_layers.begin(), plan.exit_layers.end());
  to.set_kv_budget_bytes(plan.kv_budget_bytes);
  to.set_threads(plan.threads);
  to.set_prefill_chunk_tokens(plan.prefill_chunk_tokens);
  to.set_max_batch_rows(plan.max_batch_rows);
  to.set_pin_threads(plan.pin_threads);
  to.set_adapter_path(plan.adapter_path);
  to.set_adapter_type(plan.adapter_type);
  to.set_rope_scaling(plan.rope_scaling);
  to.set_context_length(plan.context_length);
}

void Set(const to_worker::Admit& admit, proto::ToWorker* message) {
  proto::Admit& to = *message->mutable_admit();
  for (const to_worker::OpenSequence& from : admit.open) {
    proto::OpenSequence& open = *to.add_open();
    open.set_sequence(from.sequence);
    transport::ToProto(from.request, &open);
    open.set_prefix_of(from.shared.sequence);
    open.set_prefix_tokens(from.shared.tokens);
    open.set_retain_tokens(from.retain_tokens);
  }
}

void Set(const to_worker::Evict& evict, proto::ToWorker* message) {
  message->mutable_evict()->mutable_sequence()->Add(evict.sequences.begin(), evict.sequences.end());
}

void Set(const to_worker::Cancel& cancel, proto::ToWorker* message) {
  message->mutable_cancel()->mutable_sequence()->Add(cancel.sequences.begin(), cancel.sequences.end());
}

void Set(const to_worker::Doorbell& doorbell, proto::ToWorker* message) {
  message->mutable_doorbell()->set_opened(doorbell.opened);
}

void Set(const to_worker::Flush& flush, proto::ToWorker* message) {
  message->mutable_flush()->mutable_sequence()->Add(flush.sequences.begin(), flush.sequences.end());
}

void Set(const to_worker::Shutdown& shutdown, proto::ToWorker* message) {
  message->mutable_shutdown()->set_reason(shutdown.reason);
}

from_worker::Tokens TokensOf(const proto::TokenEvents& message) {
  from_worker::Tokens tokens;
  tokens.tokens.reserve(static_cast<size_t>(message.events_size()));
  for (const proto::TokenEvent& m : message.events()) {
    tokens.tokens.push_back({m.sequence(),
                             {.generation = m.generation(),
                              .position = m.position(),
                              .token = m.token(),
                              .exit_layer = m.exit_layer(),
                              .logprob = m.logprob(),
                              .top = TopOf(m.top())}});
  }
  return tokens;
}

from_worker::Scores ScoresOf(const proto::PromptScores& message) {
  from_worker::Scores scores;
  scores.scores.reserve(static_cast<size_t>(message.scores_size()));
  for (const proto::PromptScore& m : message.scores()) {
    scores.scores.push_back(
        {m.sequence(),
         {.position = m.position(), .token = m.token(), .logprob = m.logprob(), .top = TopOf(m.top())}});
  }
  return scores;
}

from_worker::StageReport ReportOf(const proto::StageReport& m) {
  from_worker::StageReport report{.steps = m.steps(),
                                  .live_rows = m.live_rows(),
                                  .prompt_rows = m.prompt_rows(),
                                  .fill_rows = m.fill_rows(),
                                  .fills_sent = m.fills_sent(),
                                  .fills_dropped = m.fills_dropped(),
                                  .frames_sent = m.frames_sent(),
                                  .returns_sent = m.returns_sent(),
                                  .frames_received = m.frames_received(),
                                  .bytes_sent = m.bytes_sent(),
                                  .bytes_received = m.bytes_received(),
                                  .busy_seconds = m.busy_seconds(),
                                  .idle_seconds = m.idle_seconds(),
                                  .bubble_seconds = m.bubble_seconds(),
                                  .blocked_seconds = m.blocked_seconds(),
                                  .kv_pages_used = m.kv_pages_used(),
                                  .open_sequences = m.open_sequences(),
                                  .backlog_rows = m.backlog_rows(),
                                  .frames_in_flight = m.frames_in_flight(),
                                  .micro_batches = m.micro_batches(),
                                  .micro_batches_max = m.micro_batches_max(),
                                  .stale_frames = m.stale_frames(),
                                  .largest_batch_rows = m.largest_batch_rows(),
                                  .mixed_batches = m.mixed_batches(),
                                  .step_rows = ListOf(m.step_rows()),
                                  .exits = {},
                                  .sequences = {}};
  for (const proto::LayerCount& exit : m.exits()) report.exits.push_back({exit.layer(), exit.count()});
  for (const proto::SequenceState& s : m.sequences()) {
    report.sequences.push_back({s.sequence(), s.watermark(), s.backlog()});
  }
  return report;
}

from_worker::Ready ReadyOf(const proto::Ready& m) {
  return {.kv_pages = m.kv_pages(),
          .page_tokens = m.page_tokens(),
          .weight_bytes = m.weight_bytes(),
          .head_bytes = m.head_bytes(),
          .isa = m.isa(),
          .invariance = m.invariance()};
}

from_worker::SequenceFinished FinishedOf(const proto::SequenceFinished& m) {
  return {.sequence = m.sequence(),
          .tokens = m.tokens(),
          .reason = transport::FromProto(m.reason()),
          .retained = m.retained()};
}

}  // namespace

proto::ToWorker ToProto(const ToWorker& message) {
  proto::ToWorker to;
  std::visit([&to](const auto& body) { Set(body, &to); }, message);
  return to;
}

std::optional<FromWorker> FromProto(const proto::ToCoordinator& message) {
  switch (message.body_case()) {
    case proto::ToCoordinator::kTokens:
      return TokensOf(message.tokens());
    case proto::ToCoordinator::kScores:
      return ScoresOf(message.scores());
    case proto::ToCoordinator::kHeartbeat:
      return from_worker::Heartbeat{message.heartbeat().progress(), message.heartbeat().busy()};
    case proto::ToCoordinator::kFinished:
      return FinishedOf(message.finished());
    case proto::ToCoordinator::kRefused:
      return from_worker::SequenceRefused{message.refused().sequence(), message.refused().reason()};
    case proto::ToCoordinator::kFailed:
      return from_worker::SequenceFailed{message.failed().sequence(), message.failed().reason()};
    case proto::ToCoordinator::kClosed:
      return from_worker::SequencesClosed{ListOf(message.closed().sequence())};
    case proto::ToCoordinator::kReport:
      return ReportOf(message.report());
    case proto::ToCoordinator::kLoadProgress:
      return from_worker::LoadProgress{message.load_progress().fraction(), message.load_progress().what()};
    case proto::ToCoordinator::kReady:
      return ReadyOf(message.ready());
    case proto::ToCoordinator::kFatal:
      return from_worker::Fatal{message.fatal().message()};
    case proto::ToCoordinator::kHello:
    case proto::ToCoordinator::kProof:
    case proto::ToCoordinator::BODY_NOT_SET:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace exeunt::coordinator
