// Feeds any bytes of a client to one connection in any pieces. The session must answer or close, and must
// hold nothing afterwards. The first byte is the size of the pieces (0: all at once).
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/check.h"
#include "coordinator/gateway/api_keys.h"
#include "coordinator/gateway/http_session.h"

namespace exeunt::coordinator {
namespace {

namespace asio = boost::asio;

// A connection in memory. It reads the input in pieces and then its end. The caller keeps what is written.
class MemoryStream : public HttpStream {
 public:
  MemoryStream(asio::io_context* io, std::string_view input, size_t piece, std::string* output)
      : io_(*io), input_(input), piece_(piece), output_(*output) {}

  asio::any_io_executor executor() override { return io_.get_executor(); }
  std::string peer() const override { return "memory"; }
  bool encrypted() const override { return false; }
  void Handshake(std::function<void(ErrorCode)> handler) override { handler({}); }
  void ReadSome(asio::mutable_buffer buffer, Handler handler) override {
    CHECK(!std::exchange(reading_, true));
    const size_t size = std::min({piece_ == 0 ? input_.size() : piece_, input_.size(), buffer.size()});
    asio::post(io_, [this, buffer, size, handler = std::move(handler)] {
      reading_ = false;
      if (closed_) return handler(asio::error::operation_aborted, 0);
      if (size == 0) return handler(asio::error::eof, 0);
      std::memcpy(buffer.data(), input_.data(), size);
      input_.remove_prefix(size);
      handler({}, size);
    });
  }
  void Write(asio::const_buffer bytes, Handler handler) override {
    CHECK(!std::exchange(writing_, true));
    CHECK(!shut_ && !closed_);
    asio::post(io_, [this, bytes, handler = std::move(handler)] {
      writing_ = false;
      if (closed_) return handler(asio::error::operation_aborted, 0);
      output_.append(static_cast<const char*>(bytes.data()), bytes.size());
      handler({}, bytes.size());
    });
  }
  void ShutdownSend(std::shared_ptr<void>) override { shut_ = true; }
  void Close() override { closed_ = true; }

 private:
  asio::io_context& io_;
  std::string_view input_;
  const size_t piece_;
  std::string& output_;
  bool reading_ = false;
  bool writing_ = false;
  bool shut_ = false;
  bool closed_ = false;
};

// By its path a request is echoed, streamed, held until its client goes, or answered a little later.
void Answer(asio::io_context* io, const std::shared_ptr<HttpExchange>& exchange) {
  const HttpRequest& request = exchange->request();
  CHECK(request.authorization.empty());
  if (request.path == "/hold") {
    exchange->on_gone = [exchange] {};  // a cycle until it is called
    return;
  }
  if (request.path == "/later") return asio::post(*io, [exchange] { exchange->Respond({.body = "later"}); });
  if (request.path != "/stream") return exchange->Respond({.body = request.body});
  exchange->StartStream({});
  exchange->Write(request.body);
  asio::post(*io, [exchange] {
    exchange->Write("end");
    exchange->EndStream();
  });
}

HttpServerOptions Options() {
  HttpServerOptions options;
  options.max_header_bytes = 600;
  options.max_body_bytes = 300;
  options.max_queued_bytes = 1000;
  options.cors = CorsPolicy({"http://a"});
  options.admit = [](HttpRequest* request) -> std::optional<HttpResponse> {
    CHECK(request->body.empty());
    static const ApiKeys keys = ApiKeys::Parse("me 0123456789abcdef", "keys").value();
    if (request->path != "/key" || keys.Find(BearerKey(request->authorization)) != nullptr)
      return std::nullopt;
    return HttpResponse{.status = 401};
  };
  return options;
}

}  // namespace
}  // namespace exeunt::coordinator

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace exeunt::coordinator;  // NOLINT: an entry point, not a header
  if (size == 0) return 0;
  static const HttpServerOptions options = Options();
  boost::asio::io_context io{1};
  const HttpHandler handler = [&io](auto exchange) { Answer(&io, exchange); };
  std::string output;
  int closed = 0;
  auto session = MakeHttpSession(
      {.stream = std::make_unique<MemoryStream>(
           &io, std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1), data[0], &output),
       .options = &options,
       .handler = &handler,
       .on_closed = [&](HttpSession*) { ++closed; }});
  const std::weak_ptr<HttpSession> held = session;
  session->Start();
  session.reset();
  io.poll();
  CHECK(closed == 1);  // the end of the input is the client's end
  CHECK(io.stopped());
  CHECK(held.expired());
  CHECK(output.empty() || output.starts_with("HTTP/1.1 "));
  return 0;
}
