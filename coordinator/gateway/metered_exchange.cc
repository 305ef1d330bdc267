#include "coordinator/gateway/metered_exchange.h"

#include <utility>

namespace exeunt::coordinator {
namespace {

class MeteredExchange : public HttpExchange {
 public:
  MeteredExchange(std::shared_ptr<HttpExchange> inner, HttpMetrics::Route* metrics,
                  std::shared_ptr<void> place)
      : inner_(std::move(inner)), metrics_(metrics), place_(std::move(place)), began_(MonotonicNow()) {
    metrics_->Began(inner_->request().body.size());
  }
  ~MeteredExchange() override { End(HttpMetrics::kClientGone); }

  // The server tells the inner exchange that the client has gone, and keeps it. The handler keeps this one.
  void Watch(const std::weak_ptr<MeteredExchange>& self) {
    inner_->on_gone = [self] {
      const auto metered = self.lock();
      if (metered == nullptr) return;
      metered->End(HttpMetrics::kClientGone);
      if (const auto gone = std::exchange(metered->on_gone, nullptr)) gone();
    };
  }

  const HttpRequest& request() const override { return inner_->request(); }
  void Respond(HttpResponse response) override {
    CountBody(response.body.size());
    End(response.status);
    inner_->Respond(std::move(response));
  }
  void StartStream(HttpResponse head) override {
    status_ = head.status;
    inner_->StartStream(std::move(head));
  }
  void Write(std::string_view bytes) override {
    CountBody(bytes.size());
    inner_->Write(bytes);
  }
  void EndStream() override {
    End(status_);
    inner_->EndStream();
  }

 private:
  void CountBody(size_t bytes) {
    if (request().method != "HEAD") metrics_->Sent(bytes);
  }
  void End(int status) {
    if (std::exchange(ended_, true)) return;
    metrics_->Ended(status, MonotonicNow() - began_);
    place_.reset();
  }

  const std::shared_ptr<HttpExchange> inner_;
  HttpMetrics::Route* const metrics_;
  std::shared_ptr<void> place_;
  const TimePoint began_;
  int status_ = 200;
  bool ended_ = false;
};

}  // namespace

std::shared_ptr<HttpExchange> Metered(std::shared_ptr<HttpExchange> inner, HttpMetrics::Route* metrics,
                                      std::shared_ptr<void> place) {
  auto metered = std::make_shared<MeteredExchange>(std::move(inner), metrics, std::move(place));
  metered->Watch(metered);
  return metered;
}

}  // namespace exeunt::coordinator
