#include "support/certificates.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>

namespace flatproxy::test {
namespace {

struct Free {
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
  void operator()(BIO* bio) const { BIO_free(bio); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

Owned<EVP_PKEY> make_key(Authority::Kind kind) {
  return Owned<EVP_PKEY>(kind == Authority::Kind::ecdsa ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048));
}

void add_extension(X509* to, int nid, const std::string& value) {
  const Owned<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str()));
  ASSERT_NE(extension, nullptr) << value;
  X509_add_ext(to, extension.get(), -1);
}

Owned<X509> make_certificate(EVP_PKEY* key, const std::string& subject, long serial) {
  Owned<X509> made(X509_new());
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 24 * 3600);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(subject.c_str()), -1, -1, 0);
  X509_set_pubkey(made.get(), key);
  return made;
}

std::string text_of(const Owned<BIO>& bio) {
  char* text = nullptr;
  const long n = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<size_t>(n)};
}
std::string pem_of(X509* certificate) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return text_of(bio);
}
std::string pem_of(EVP_PKEY* key) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return text_of(bio);
}

std::filesystem::path make_folder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "flatproxy-tls-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) std::abort();
  return pattern;
}

}  // namespace

struct Authority::Issuer {
  Owned<EVP_PKEY> key;
  Owned<X509> certificate;
};

Authority::Authority() : folder_(make_folder()), issuer_(new Issuer{make_key(Kind::ecdsa), nullptr}) {
  issuer_->certificate = make_certificate(issuer_->key.get(), "flatproxy's tests", 1);
  X509* root = issuer_->certificate.get();
  X509_set_issuer_name(root, X509_get_subject_name(root));
  add_extension(root, NID_basic_constraints, "critical,CA:TRUE");
  X509_sign(root, issuer_->key.get(), EVP_sha256());
  write("root.pem", pem_of(root));
}

Authority::~Authority() {
  delete issuer_;
  std::filesystem::remove_all(folder_);
}

CertificateFiles Authority::issue(const std::vector<std::string>& names, Kind kind) {
  const Owned<EVP_PKEY> key = make_key(kind);
  const Owned<X509> leaf = make_certificate(key.get(), "a server", 2 + ++issued_);
  X509_set_issuer_name(leaf.get(), X509_get_subject_name(issuer_->certificate.get()));
  std::string value;
  for (const std::string& name : names) value.append(value.empty() ? "DNS:" : ",DNS:").append(name);
  if (!names.empty()) add_extension(leaf.get(), NID_subject_alt_name, value);
  X509_sign(leaf.get(), issuer_->key.get(), EVP_sha256());
  const std::string number = std::to_string(issued_);
  return {write("certificate" + number + ".pem", pem_of(leaf.get()) + pem_of(issuer_->certificate.get())),
          write("key" + number + ".pem", pem_of(key.get()))};
}

std::string Authority::write(const std::string& name, const std::string& text) const {
  const std::filesystem::path path = folder_ / name;
  std::ofstream(path) << text;
  return path.string();
}

std::string Authority::read(const std::string& path) const {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace flatproxy::test
