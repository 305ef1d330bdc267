#include "coordinator/gateway/tls_context.h"

#include <openssl/ssl.h>

#include <boost/asio/ssl/context.hpp>
#include <fstream>

#include "base/error.h"

namespace exeunt::coordinator {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

Result<std::shared_ptr<ssl::context>> LoadTlsContext(const std::string& certificate_file,
                                                     const std::string& key_file) {
  for (const std::string& file : {certificate_file, key_file}) {
    if (!std::ifstream(file)) return NotFound("'{}' cannot be read", file);
  }
  auto tls = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(tls->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_options(tls->native_handle(), SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  error_code error;
  // This replaces a question on the terminal.
  tls->set_password_callback([](size_t, ssl::context::password_purpose) { return std::string(); }, error);
  if (!error) tls->use_certificate_chain_file(certificate_file, error);
  if (error) return InvalidArgument("certificate '{}': {}", certificate_file, error.message());
  tls->use_private_key_file(key_file, ssl::context::pem, error);
  if (error) return InvalidArgument("private key '{}': {}", key_file, error.message());
  return tls;
}

}  // namespace exeunt::coordinator
