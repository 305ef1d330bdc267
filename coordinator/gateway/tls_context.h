// Loads the server's certificate and private key for HTTPS.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

namespace boost::asio::ssl {
class context;
}

namespace exeunt::coordinator {

// Reads PEM files. The certificate file has its chain behind it. The key must not be encrypted. It allows TLS
// 1.2 and 1.3 without renegotiation. Errors name the file and the reason. A connection keeps the context that
// it began with.
Result<std::shared_ptr<boost::asio::ssl::context>> LoadTlsContext(const std::string& certificate_file,
                                                                  const std::string& key_file);

}  // namespace exeunt::coordinator
