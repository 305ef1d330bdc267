#include "worker/core/frame.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/error.h"
#include "worker/core/sequence_message.h"

namespace exeunt::worker {
namespace {

static_assert(std::endian::native == std::endian::little,
              "frames are little-endian and are copied as they are");

constexpr uint32_t kMagic = 0x4E555845;  // "EXUN"
constexpr uint16_t kVersion = 2;

struct WireHeader {
  uint32_t magic;
  uint16_t version;
  uint16_t reserved;
  uint64_t epoch;
  uint64_t number;
  uint32_t rows;
  uint32_t opens_bytes;
};
static_assert(sizeof(WireHeader) == 32);

// WireRow::kind of a state row. A control row has its ControlKind there.
constexpr uint8_t kStateKind = 0;

// WireRow::flags. The lowest two bits are the HeadUse.
constexpr uint8_t kHeadMask = 3;
constexpr uint8_t kMayExit = 4;
constexpr uint8_t kWantLogits = 8;
constexpr uint8_t kAllFlags = kHeadMask | kMayExit | kWantLogits;

// A field that a row does not use is 0, or -1 if it is a token.
struct WireRow {
  uint64_t sequence;
  uint32_t generation;
  int32_t position;
  int32_t token;
  int32_t draft;
  int16_t run_to;
  int16_t fill_to;
  int16_t exit_layer;
  uint8_t kind;
  uint8_t flags;
};
static_assert(sizeof(WireRow) == 32);

void AppendBytes(const void* data, size_t size, std::vector<std::byte>* out) {
  const size_t at = out->size();
  out->resize(at + size);
  if (size > 0) std::memcpy(out->data() + at, data, size);
}

template <typename T>
void Append(const T& value, std::vector<std::byte>* out) {
  AppendBytes(&value, sizeof value, out);
}

// Reads a T from the front of `bytes`. Returns false if `bytes` is too short.
template <typename T>
bool Take(std::span<const std::byte>* bytes, T* value) {
  if (bytes->size() < sizeof(T)) return false;
  std::memcpy(value, bytes->data(), sizeof(T));
  *bytes = bytes->subspan(sizeof(T));
  return true;
}

WireRow ToWire(const StateRow& row) {
  const RowPlan& plan = row.plan;
  const auto flags = static_cast<uint8_t>(static_cast<uint8_t>(plan.head) | (plan.may_exit ? kMayExit : 0) |
                                          (row.want_logits ? kWantLogits : 0));
  return {row.sequence, row.generation, row.position, row.token, row.draft, plan.run_to, plan.fill_to, 0,
          kStateKind,   flags};
}

WireRow ToWire(const ControlRow& row) {
  return {row.sequence,
          row.generation,
          row.position,
          row.token,
          -1,
          0,
          0,
          row.exit_layer,
          static_cast<uint8_t>(row.kind),
          0};
}

Status CheckRange(const char* field, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return OkStatus();
  return DataLoss("frame row {} {} is outside [{}, {}]", field, value, least, most);
}

// Checks that a token is in the vocabulary, or -1 if it is optional.
Status CheckToken(const char* field, int32_t token, bool optional, const SequenceLimits& limits) {
  if (token >= 0 && token < limits.vocab_size) return OkStatus();
  if (optional && token == -1) return OkStatus();
  return DataLoss("frame row {} {} is outside [0, {})", field, token, limits.vocab_size);
}

Result<Row> TakeState(const WireRow& w, const SequenceLimits& limits) {
  RETURN_IF_ERROR(CheckToken("token", w.token, false, limits));
  if ((w.flags & ~kAllFlags) != 0)
    return DataLoss("frame row flags {:#x} are not in {:#x}", w.flags, kAllFlags);
  const RowPlan plan{w.run_to, w.fill_to, static_cast<HeadUse>(w.flags & kHeadMask),
                     (w.flags & kMayExit) != 0};
  RETURN_IF_ERROR(CheckPlan(plan, limits.n_layers));
  if (plan.head == HeadUse::kCompare) {
    RETURN_IF_ERROR(CheckToken("draft", w.draft, false, limits));
  } else {
    RETURN_IF_ERROR(CheckRange("draft", w.draft, -1, -1));
  }
  RETURN_IF_ERROR(CheckRange("exit layer", w.exit_layer, 0, 0));
  return StateRow{w.sequence, w.generation, w.position, w.token, w.draft, plan, (w.flags & kWantLogits) != 0};
}

Result<Row> TakeControl(const WireRow& w, const SequenceLimits& limits) {
  if (w.kind > static_cast<uint8_t>(ControlKind::kEvict)) {
    return DataLoss("frame row kind {} is unknown", w.kind);
  }
  const auto kind = static_cast<ControlKind>(w.kind);
  const bool corrects = kind == ControlKind::kRollback;
  if (kind == ControlKind::kToken || corrects) {
    RETURN_IF_ERROR(CheckToken("token", w.token, corrects, limits));
  } else {
    RETURN_IF_ERROR(CheckRange("token", w.token, -1, -1));
  }
  RETURN_IF_ERROR(CheckRange("exit layer", w.exit_layer, 0, w.token < 0 ? 0 : limits.n_layers));
  RETURN_IF_ERROR(CheckRange("draft", w.draft, -1, -1));
  RETURN_IF_ERROR(CheckRange("run_to", w.run_to, 0, 0));
  RETURN_IF_ERROR(CheckRange("fill_to", w.fill_to, 0, 0));
  RETURN_IF_ERROR(CheckRange("flags", w.flags, 0, 0));
  return ControlRow{kind, w.sequence, w.generation, w.position, w.token, w.exit_layer};
}

Result<Row> TakeRow(const WireRow& w, const SequenceLimits& limits) {
  RETURN_IF_ERROR(CheckRange("position", w.position, 0, limits.context_length));
  return w.kind == kStateKind ? TakeState(w, limits) : TakeControl(w, limits);
}

Result<SequenceSpec> TakeOpen(std::span<const std::byte>* bytes, const SequenceLimits& limits) {
  uint32_t size = 0;
  if (!Take(bytes, &size) || size > bytes->size())
    return DataLoss("frame: open of {} bytes is cut short", size);
  const std::span<const std::byte> spec = bytes->first(size);
  *bytes = bytes->subspan(size);
  return SpecFromBytes(spec, limits);
}

}  // namespace

size_t Frame::state_rows() const {
  return static_cast<size_t>(std::count_if(
      rows.begin(), rows.end(), [](const Row& row) { return std::holds_alternative<StateRow>(row); }));
}

void EncodeFrame(const Frame& frame, std::vector<std::byte>* out) {
  CHECK_LE(frame.rows.size(), kMaxFrameRows);
  std::vector<std::byte> opens;
  for (const SequenceSpec& spec : frame.opens) {
    const std::string text = SpecBytes(spec);
    Append(static_cast<uint32_t>(text.size()), &opens);
    AppendBytes(text.data(), text.size(), &opens);
  }
  out->clear();
  out->reserve(sizeof(WireHeader) + frame.rows.size() * sizeof(WireRow) + opens.size());
  Append(WireHeader{kMagic, kVersion, 0, frame.epoch, frame.number, static_cast<uint32_t>(frame.rows.size()),
                    static_cast<uint32_t>(opens.size())},
         out);
  for (const Row& row : frame.rows) {
    Append(std::visit([](const auto& r) { return ToWire(r); }, row), out);
  }
  AppendBytes(opens.data(), opens.size(), out);
}

Status DecodeFrame(std::span<const std::byte> bytes, const SequenceLimits& limits, Frame* frame) {
  WireHeader header{};
  if (!Take(&bytes, &header)) return DataLoss("frame of {} bytes is shorter than its header", bytes.size());
  if (header.magic != kMagic) return DataLoss("frame magic {:#x} is not {:#x}", header.magic, kMagic);
  if (header.version != kVersion) return DataLoss("frame version {} is not {}", header.version, kVersion);
  if (header.reserved != 0) return DataLoss("frame reserved field {} is not 0", header.reserved);
  if (header.rows > kMaxFrameRows)
    return DataLoss("frame of {} rows is over the limit of {}", header.rows, kMaxFrameRows);
  if (bytes.size() != header.rows * sizeof(WireRow) + header.opens_bytes) {
    return DataLoss("frame of {} rows and {} bytes of opens holds {} bytes", header.rows, header.opens_bytes,
                    bytes.size());
  }
  frame->epoch = header.epoch;
  frame->number = header.number;
  frame->rows.clear();
  frame->opens.clear();
  size_t opens = 0;
  for (uint32_t i = 0; i < header.rows; ++i) {
    WireRow wire{};
    CHECK(Take(&bytes, &wire));
    ASSIGN_OR_RETURN(const Row row, TakeRow(wire, limits));
    opens += wire.kind == static_cast<uint8_t>(ControlKind::kOpen) ? 1 : 0;
    frame->rows.push_back(row);
  }
  for (size_t i = 0; i < opens; ++i) {
    ASSIGN_OR_RETURN(SequenceSpec spec, TakeOpen(&bytes, limits));
    frame->opens.push_back(std::move(spec));
  }
  if (!bytes.empty()) return DataLoss("frame has {} bytes after its last open", bytes.size());
  return OkStatus();
}

}  // namespace exeunt::worker
