// A certificate for tests, made on the spot: no private key lies in the tree.
#pragma once

#include <string>

namespace exeunt::coordinator {

struct SelfSigned {
  std::string certificate_pem;
  std::string key_pem;
};

// Of a fresh P-256 key, for localhost and 127.0.0.1, valid for a day.
SelfSigned MakeSelfSigned();

}  // namespace exeunt::coordinator
