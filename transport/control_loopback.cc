#include "transport/control_loopback.h"

#include <condition_variable>
#include <mutex>

namespace exeunt::transport {

struct ControlLoopbackState {
  std::mutex mutex;
  std::condition_variable changed;
  bool connected = true;
  std::vector<proto::ToWorker> to_worker;
  std::vector<proto::ToCoordinator> to_coordinator;

  void Close() {
    const std::lock_guard lock(mutex);
    connected = false;
    changed.notify_all();
  }

  template <typename T>
  void Push(std::vector<T>* queue, T message) {
    const std::lock_guard lock(mutex);
    if (!connected) return;
    queue->push_back(std::move(message));
    changed.notify_all();
  }

  template <typename T>
  void Take(std::vector<T>* queue, std::vector<T>* out) {
    const std::lock_guard lock(mutex);
    std::move(queue->begin(), queue->end(), std::back_inserter(*out));
    queue->clear();
  }

  template <typename T>
  bool Wait(const std::vector<T>& queue, Duration limit) {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, limit, [&] { return !queue.empty() || !connected; });
    return !queue.empty();
  }

  bool IsConnected() {
    const std::lock_guard lock(mutex);
    return connected;
  }
};

namespace {

class WorkerEnd : public ControlChannel {
 public:
  explicit WorkerEnd(std::shared_ptr<ControlLoopbackState> state) : state_(std::move(state)) {}
  ~WorkerEnd() override { state_->Close(); }

  void Send(proto::ToCoordinator message) override {
    state_->Push(&state_->to_coordinator, std::move(message));
  }
  void Poll(std::vector<proto::ToWorker>* out) override { state_->Take(&state_->to_worker, out); }
  bool Wait(Duration limit) override { return state_->Wait(state_->to_worker, limit); }
  bool connected() const override { return state_->IsConnected(); }

 private:
  std::shared_ptr<ControlLoopbackState> state_;
};

}  // namespace

ControlLoopback::ControlLoopback(std::shared_ptr<ControlLoopbackState> state) : state_(std::move(state)) {}
ControlLoopback::~ControlLoopback() { state_->Close(); }

std::pair<std::unique_ptr<ControlLoopback>, std::unique_ptr<ControlChannel>> ControlLoopback::Make() {
  auto state = std::make_shared<ControlLoopbackState>();
  auto worker = std::make_unique<WorkerEnd>(state);
  return {std::unique_ptr<ControlLoopback>(new ControlLoopback(std::move(state))), std::move(worker)};
}

void ControlLoopback::Send(proto::ToWorker message) { state_->Push(&state_->to_worker, std::move(message)); }
void ControlLoopback::Poll(std::vector<proto::ToCoordinator>* out) {
  state_->Take(&state_->to_coordinator, out);
}
bool ControlLoopback::Wait(Duration limit) { return state_->Wait(state_->to_coordinator, limit); }
bool ControlLoopback::connected() const { return state_->IsConnected(); }

}  // namespace exeunt::transport
