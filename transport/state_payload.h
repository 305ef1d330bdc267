// StatePayload holds the hidden states of a frame between an executor and a data channel. A backend chooses
// their memory. Code that moves them checks the kind of memory. PayloadPool makes payloads and keeps the free
// ones. One thread at a time uses a payload.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/spare.h"

namespace exeunt::transport {

enum class MemoryKind : uint8_t { kHost, kPinned, kDevice };

class StatePayload {
 public:
  virtual ~StatePayload() = default;
  virtual MemoryKind memory() const = 0;
  // Makes room for `bytes`. The old contents are lost.
  virtual void Resize(size_t bytes) = 0;
  virtual std::byte* data() = 0;
  virtual size_t size() const = 0;  // bytes
  // Returns whether the backend has finished its last operation on this payload. After Gather the bytes are
  // complete. After Scatter they have been read. It never waits.
  virtual bool Ready() = 0;
};

class PayloadPool {
 public:
  virtual ~PayloadPool() = default;
  std::unique_ptr<StatePayload> Take(size_t bytes) {
    std::unique_ptr<StatePayload> payload = TakeSpare(&spares_);
    if (payload == nullptr) payload = Make();
    payload->Resize(bytes);
    return payload;
  }
  // Keeps a payload that is Ready, or does nothing for nullptr.
  void GiveBack(std::unique_ptr<StatePayload> payload) {
    if (payload != nullptr) spares_.push_back(std::move(payload));
  }

 protected:
  virtual std::unique_ptr<StatePayload> Make() = 0;

 private:
  std::vector<std::unique_ptr<StatePayload>> spares_;
};

// A payload in host memory that is complete at once.
class HostPayload : public StatePayload {
 public:
  MemoryKind memory() const override { return MemoryKind::kHost; }
  void Resize(size_t bytes) override { bytes_.resize(bytes); }
  std::byte* data() override { return bytes_.data(); }
  size_t size() const override { return bytes_.size(); }
  bool Ready() override { return true; }

 private:
  std::vector<std::byte> bytes_;
};

class HostPayloadPool : public PayloadPool {
 protected:
  std::unique_ptr<StatePayload> Make() override { return std::make_unique<HostPayload>(); }
};

}  // namespace exeunt::transport
