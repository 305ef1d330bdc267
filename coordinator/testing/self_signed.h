// Makes a certificate for a test, so that no private key lies in the tree.
#pragma once

#include <string>

namespace exeunt::coordinator {

struct SelfSigned {
  std::string certificate_pem;
  std::string key_pem;
};

// Makes a certificate with a new P-256 key, for localhost and 127.0.0.1, valid for a day.
SelfSigned MakeSelfSigned();

}  // namespace exeunt::coordinator
