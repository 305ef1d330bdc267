#include "worker/frame.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/error.h"
#include "worker/sequence_message.h"

namespace exeunt {
namespace {

static_assert(std::endian::native == std::endian::little,
              "frames are little-endian and are copied as they are");

constexpr uint32_t kMagic = 0x4E555845;  // "EXUN"
constexpr uint16_t kVersion = 1;

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

struct WireRow {
  uint64_t sequence;
  uint32_t generation;
  int32_t position;
  int32_t token;
  int16_t exit_layer;
  uint8_t kind;
  uint8_t flags;
};
static_assert(sizeof(WireRow) == 24);

void AppendBytes(const void* data, size_t size, std::vector<std::byte>* out) {
  const size_t at = out->size();
  out->resize(at + size);
  if (size > 0) std::memcpy(out->data() + at, data, size);
}

template <typename T>
void Append(const T& value, std::vector<std::byte>* out) {
  AppendBytes(&value, sizeof value, out);
}

// Reads a T off the front of `bytes`; false where it is too short.
template <typename T>
bool Take(std::span<const std::byte>* bytes, T* value) {
  if (bytes->size() < sizeof(T)) return false;
  std::memcpy(value, bytes->data(), sizeof(T));
  *bytes = bytes->subspan(sizeof(T));
  return true;
}

Result<FrameRow> CheckRow(const WireRow& w, const SequenceLimits& limits) {
  if (w.kind > static_cast<uint8_t>(RowKind::kEvict)) return DataLoss("frame row kind {} is unknown", w.kind);
  if (w.position < 0 || w.position > limits.context_length) {
    return DataLoss("frame row position {} is outside [0, {}]", w.position, limits.context_length);
  }
  if (w.exit_layer < 0 || w.exit_layer > limits.n_layers) {
    return DataLoss("frame row exit layer {} is outside [0, {}]", w.exit_layer, limits.n_layers);
  }
  const auto kind = static_cast<RowKind>(w.kind);
  if ((HasState(kind) || kind == RowKind::kToken) && (w.token < 0 || w.token >= limits.vocab_size)) {
    return DataLoss("frame row token {} is outside [0, {})", w.token, limits.vocab_size);
  }
  return FrameRow{w.sequence, w.generation, w.position, w.token, w.exit_layer, kind, w.flags};
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
  return static_cast<size_t>(
      std::count_if(rows.begin(), rows.end(), [](const FrameRow& row) { return HasState(row.kind); }));
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
  for (const FrameRow& r : frame.rows) {
    Append(WireRow{r.sequence, r.generation, r.position, r.token, r.exit_layer, static_cast<uint8_t>(r.kind),
                   r.flags},
           out);
  }
  AppendBytes(opens.data(), opens.size(), out);
}

Status DecodeFrame(std::span<const std::byte> bytes, const SequenceLimits& limits, Frame* frame) {
  WireHeader header{};
  if (!Take(&bytes, &header)) return DataLoss("frame of {} bytes is shorter than its header", bytes.size());
  if (header.magic != kMagic) return DataLoss("frame magic {:#x} is not {:#x}", header.magic, kMagic);
  if (header.version != kVersion) return DataLoss("frame version {} is not {}", header.version, kVersion);
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
    ASSIGN_OR_RETURN(const FrameRow row, CheckRow(wire, limits));
    opens += row.kind == RowKind::kOpen ? 1 : 0;
    frame->rows.push_back(row);
  }
  for (size_t i = 0; i < opens; ++i) {
    ASSIGN_OR_RETURN(SequenceSpec spec, TakeOpen(&bytes, limits));
    frame->opens.push_back(std::move(spec));
  }
  if (!bytes.empty()) return DataLoss("frame has {} bytes after its last open", bytes.size());
  return OkStatus();
}

}  // namespace exeunt
