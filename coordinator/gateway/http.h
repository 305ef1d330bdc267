// HTTP as handlers see it: plain requests, and an exchange to answer them. No Beast here.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace exeunt::coordinator {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;
  std::string path;  // without the query, its %XX decoded
  std::string host;  // the header, or what stands in an absolute target
  std::string content_type;
  std::string content_encoding;
  std::string authorization;  // the header, until the request is admitted
  std::string body;
  std::string request_id;  // the client's, or a fresh one
  std::string client;      // who asks: its key's name, else its address
  bool encrypted = false;  // it came over TLS
  bool crowded = false;    // its connection is one more than the server's limit
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  HttpHeaders headers;  // beside those the server adds
};

// One request and its answer (of a HEAD its head alone is sent): either Respond, or StartStream, Write...,
// EndStream. Held by its connection and by the handler; used on the io_context's thread only. Calls after the
// client has gone are harmless.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;
  virtual const HttpRequest& request() const = 0;
  virtual void Respond(HttpResponse response) = 0;
  // Sends the head now; the body follows in pieces.
  virtual void StartStream(HttpResponse head) = 0;
  // A client that does not read is dropped: it counts as gone.
  virtual void Write(std::string_view bytes) = 0;
  virtual void EndStream() = 0;
  // Called at most once, when the client goes before the answer is complete. Set it before returning from the
  // handler.
  std::function<void()> on_gone;
};

using HttpHandler = std::function<void(std::shared_ptr<HttpExchange>)>;
// A request's header has come, and its body not yet: what it is refused with, if it is. May name the client.
using HttpAdmission = std::function<std::optional<HttpResponse>(HttpRequest*)>;

}  // namespace exeunt::coordinator
