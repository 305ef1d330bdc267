// The counters of a StageReport under their names in /metrics. Private to stage_metrics.cc.
#pragma once

#include <array>

#include "coordinator/core/worker_messages.h"

namespace exeunt::coordinator {

struct StageCounter {
  const char* name;
  const char* help;
  const char* kind;  // value of the label `kind`; nullptr for none
  double (*value)(const from_worker::StageReport&);
};

template <auto Member>
double ReportValue(const from_worker::StageReport& report) {
  return static_cast<double>(report.*Member);
}

inline constexpr const char* kRowsName = "exeunt_stage_rows_total";
inline constexpr const char* kRowsHelp =
    "Rows computed, one for each step that a row is in: live (decoding, and the last of a prompt), prompt, "
    "fill "
    "(K/V alone)";
inline constexpr std::array kStageCounters = {
    StageCounter{"exeunt_stage_steps_total", "Steps computed", nullptr,
                 ReportValue<&from_worker::StageReport::steps>},
    StageCounter{kRowsName, kRowsHelp, "live", ReportValue<&from_worker::StageReport::live_rows>},
    StageCounter{kRowsName, kRowsHelp, "prompt", ReportValue<&from_worker::StageReport::prompt_rows>},
    StageCounter{kRowsName, kRowsHelp, "fill", ReportValue<&from_worker::StageReport::fill_rows>},
    StageCounter{"exeunt_stage_fills_sent_total", "Fills sent to the next stage", nullptr,
                 ReportValue<&from_worker::StageReport::fills_sent>},
    StageCounter{"exeunt_stage_fills_dropped_total",
                 "Fills of sequences that had ended, neither sent nor computed", nullptr,
                 ReportValue<&from_worker::StageReport::fills_dropped>},
    StageCounter{"exeunt_stage_frames_sent_total", "Frames sent to the next stage", nullptr,
                 ReportValue<&from_worker::StageReport::frames_sent>},
    StageCounter{"exeunt_stage_returns_sent_total", "Frames of tokens sent to stage 0", nullptr,
                 ReportValue<&from_worker::StageReport::returns_sent>},
    StageCounter{"exeunt_stage_frames_received_total", "Frames received", nullptr,
                 ReportValue<&from_worker::StageReport::frames_received>},
    StageCounter{"exeunt_stage_sent_bytes_total", "Bytes of frames sent", nullptr,
                 ReportValue<&from_worker::StageReport::bytes_sent>},
    StageCounter{"exeunt_stage_received_bytes_total", "Bytes of frames received", nullptr,
                 ReportValue<&from_worker::StageReport::bytes_received>},
    StageCounter{"exeunt_stage_busy_seconds_total", "Time spent computing and sending", nullptr,
                 ReportValue<&from_worker::StageReport::busy_seconds>},
    StageCounter{"exeunt_stage_idle_seconds_total", "Time with nothing to do", nullptr,
                 ReportValue<&from_worker::StageReport::idle_seconds>},
    StageCounter{"exeunt_stage_bubble_seconds_total",
                 "Part of the idle time in which sequences were open: it waited for rows of other stages",
                 nullptr, ReportValue<&from_worker::StageReport::bubble_seconds>},
    StageCounter{"exeunt_stage_blocked_seconds_total", "Time with rows at hand and no credit to send them",
                 nullptr, ReportValue<&from_worker::StageReport::blocked_seconds>},
    StageCounter{"exeunt_stage_stale_frames_total",
                 "Frames of an old epoch, rows of an old generation, ignored", nullptr,
                 ReportValue<&from_worker::StageReport::stale_frames>},
    StageCounter{"exeunt_stage_mixed_batches_total", "Steps with rows of two or more sequences", nullptr,
                 ReportValue<&from_worker::StageReport::mixed_batches>},
};

}  // namespace exeunt::coordinator
