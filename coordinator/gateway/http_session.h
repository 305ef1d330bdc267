// One HTTP connection. Private to http_server.cc.
#pragma once

#include <functional>
#include <memory>

#include "coordinator/gateway/http_server.h"
#include "coordinator/gateway/http_stream.h"

namespace exeunt::coordinator {

class HttpSession {
 public:
  virtual ~HttpSession() = default;
  virtual void Start() = 0;
  // Closes at once; its exchange, if any, learns that the client has gone.
  virtual void Close() = 0;
};

struct HttpSessionParts {
  std::unique_ptr<HttpStream> stream;
  const HttpServerOptions* options = nullptr;  // outlive the session, both
  const HttpHandler* handler = nullptr;
  bool crowded = false;                         // one more than the limit: one request, and the end
  std::function<void(HttpSession*)> on_closed;  // once, at the end
};

std::shared_ptr<HttpSession> MakeHttpSession(HttpSessionParts parts);

}  // namespace exeunt::coordinator
