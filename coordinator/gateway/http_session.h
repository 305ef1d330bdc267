// One HTTP connection. Private to http_server.cc.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>

#include "coordinator/gateway/http_server.h"

namespace exeunt {

class HttpSession {
 public:
  virtual ~HttpSession() = default;
  virtual void Start() = 0;
  // Closes at once; its exchange, if any, learns that the client has gone.
  virtual void Close() = 0;
};

// `on_closed` is called once, at the end. Options and handler outlive the session.
std::shared_ptr<HttpSession> MakeHttpSession(boost::asio::ip::tcp::socket socket,
                                             const HttpServerOptions* options, const HttpHandler* handler,
                                             std::function<void(HttpSession*)> on_closed);

}  // namespace exeunt
