// A request's sampling and exit settings as messages: what the coordinator sends and what travels with
// `open`.
#pragma once

#include "model/exit_setting.h"
#include "model/sampling.h"
#include "transport/control.pb.h"

namespace exeunt {

proto::Sampling ToProto(const SamplingParams& params);
proto::ExitSetting ToProto(const ExitSetting& setting);

}  // namespace exeunt
