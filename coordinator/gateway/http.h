// HTTP as handlers see it, with plain requests and an exchange that answers them. It does not use Beast.
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
  std::string path;  // without the query, with %XX decoded
  std::string host;  // Host header, or host of an absolute target
  std::string content_type;
  std::string content_encoding;
  std::string authorization;  // header, until the request is admitted
  std::string body;
  std::string request_id;  // the client's id or a new one
  std::string client;      // name of the client's key, else its address
  bool encrypted = false;  // whether it came over TLS
  bool crowded = false;    // whether its connection is over the server's limit
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  HttpHeaders headers;  // headers beside those that the server adds
};

// One request and its answer. Call either Respond, or StartStream, Write..., EndStream. Of the answer to HEAD
// only the head is sent. The connection and the handler hold the exchange. Only the io_context's thread uses
// it. Calls after the client has gone are harmless.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;
  virtual const HttpRequest& request() const = 0;
  virtual void Respond(HttpResponse response) = 0;
  // Sends the head at once. The body follows in pieces.
  virtual void StartStream(HttpResponse head) = 0;
  // A client that does not read is dropped and counts as gone.
  virtual void Write(std::string_view bytes) = 0;
  virtual void EndStream() = 0;
  // Called at most once, when the client goes before the answer is complete. Set it before returning from the
  // handler.
  std::function<void()> on_gone;
};

using HttpHandler = std::function<void(std::shared_ptr<HttpExchange>)>;
// Called when a request's header has come, before its body. Returns the refusal, if there is one. It may name
// the client.
using HttpAdmission = std::function<std::optional<HttpResponse>(HttpRequest*)>;

}  // namespace exeunt::coordinator
