// The server's certificate and private key, for HTTPS.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

namespace boost::asio::ssl {
class context;
}

namespace exeunt::coordinator {

// From PEM files: a certificate with the chain behind it, and its key, which must not be encrypted. TLS 1.2
// and 1.3, no renegotiation. Errors name the file and say why. Connections hold the context that they began
// with.
Result<std::shared_ptr<boost::asio::ssl::context>> LoadTlsContext(const std::string& certificate_file,
                                                                  const std::string& key_file);

}  // namespace exeunt::coordinator
