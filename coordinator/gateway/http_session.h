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
  // Closes at once. Its exchange, if there is one, learns that the client has gone.
  virtual void Close() = 0;
};

struct HttpSessionParts {
  std::unique_ptr<HttpStream> stream;
  const HttpServerOptions* options = nullptr;  // both pointers must outlive the session
  const HttpHandler* handler = nullptr;
  bool crowded = false;                         // over the limit: the session serves one request
  std::function<void(HttpSession*)> on_closed;  // called once, at the end
};

std::shared_ptr<HttpSession> MakeHttpSession(HttpSessionParts parts);

}  // namespace exeunt::coordinator
