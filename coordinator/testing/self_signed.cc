#include "coordinator/testing/self_signed.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <functional>
#include <memory>

#include "base/check.h"

namespace exeunt::coordinator {
namespace {

template <typename T, void (*kFree)(T*)>
struct Freer {
  void operator()(T* it) const { kFree(it); }
};
template <typename T, void (*kFree)(T*)>
using Owned = std::unique_ptr<T, Freer<T, kFree>>;

std::string Written(const std::function<int(BIO*)>& write) {
  const Owned<BIO, BIO_free_all> memory(BIO_new(BIO_s_mem()));
  CHECK(write(memory.get()) == 1);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &bytes);
  return {bytes, static_cast<size_t>(size)};
}

}  // namespace

SelfSigned MakeSelfSigned() {
  const Owned<EVP_PKEY, EVP_PKEY_free> key(EVP_EC_gen("P-256"));
  const Owned<X509, X509_free> certificate(X509_new());
  CHECK(key != nullptr && certificate != nullptr);
  X509* x509 = certificate.get();
  X509_set_version(x509, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
  X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
  X509_gmtime_adj(X509_getm_notAfter(x509), 24 * 3600);
  X509_set_pubkey(x509, key.get());
  X509_NAME* name = X509_get_subject_name(x509);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"),
                             -1, -1, 0);
  X509_set_issuer_name(x509, name);
  const Owned<X509_EXTENSION, X509_EXTENSION_free> hosts(
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1"));
  CHECK(hosts != nullptr && X509_add_ext(x509, hosts.get(), -1) == 1);
  CHECK(X509_sign(x509, key.get(), EVP_sha256()) > 0);
  return {Written([&](BIO* out) { return PEM_write_bio_X509(out, x509); }), Written([&](BIO* out) {
            return PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

}  // namespace exeunt::coordinator
