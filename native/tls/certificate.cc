#include "tls/certificate.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "packet/error.h"

namespace flatproxy::tls {
namespace {

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using File = std::unique_ptr<BIO, FreeBio>;

[[noreturn]] void refuse(const std::string& message, const std::string& remedy) {
  ERR_clear_error();
  throw Error("ERR_FLATPROXY_CERTIFICATE", message, remedy);
}

File open_file(const std::string& path, const char* what) {
  errno = 0;
  ERR_clear_error();
  File file(BIO_new_file(path.c_str(), "r"));
  if (file == nullptr) {
    std::string message = what;
    message.append(" '").append(path).append("' cannot be read: ").append(std::strerror(errno != 0 ? errno : ENOMEM));
    refuse(message, "name a file that this process may read");
  }
  return file;
}

/// A password is never asked for.
int no_password(char*, int, int, void*) { return -1; }

bool is_end_of_file() {
  const unsigned long error = ERR_peek_last_error();
  return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

void read_chain(const std::string& path, Certificate& to) {
  const File file = open_file(path, "certificate");
  to.leaf.reset(PEM_read_bio_X509(file.get(), nullptr, no_password, nullptr));
  if (to.leaf == nullptr) {
    std::string message = "'";
    message.append(path).append(is_end_of_file() ? "' holds no certificate in PEM" : "' holds a malformed certificate");
    refuse(message, "a file that begins with -----BEGIN CERTIFICATE-----, the server's own certificate first");
  }
  while (X509* issuer = PEM_read_bio_X509(file.get(), nullptr, no_password, nullptr)) to.issuers.emplace_back(issuer);
  if (!is_end_of_file()) {
    std::string message = "'";
    message.append(path).append("' holds a malformed certificate behind the first ");
    refuse(message.append(std::to_string(to.issuers.size() + 1)), "take it out, or write it anew");
  }
  ERR_clear_error();
}

void read_key(const CertificateFiles& files, Certificate& to) {
  const File file = open_file(files.key, "key");
  to.key.reset(PEM_read_bio_PrivateKey(file.get(), nullptr, no_password, nullptr));
  if (to.key == nullptr) {
    const int reason = ERR_GET_REASON(ERR_peek_last_error());
    const bool encrypted = reason == PEM_R_BAD_PASSWORD_READ || reason == PEM_R_PROBLEMS_GETTING_PASSWORD;
    std::string message = "'";
    message.append(files.key).append(encrypted ? "' holds a key that needs a password"
                                               : "' holds no private key in PEM");
    refuse(message, encrypted ? "write it without one (openssl pkey), readable by this process alone"
                              : "a file that begins with -----BEGIN PRIVATE KEY-----");
  }
  if (X509_check_private_key(to.leaf.get(), to.key.get()) == 1) return;
  std::string message = "the key in '";
  message.append(files.key).append("' is not that of the certificate in '").append(files.certificate).append("'");
  refuse(message, "name the key that the certificate was requested with");
}

void add_name(const unsigned char* bytes, int n, Certificate& to) {
  std::string name(reinterpret_cast<const char*>(bytes), static_cast<size_t>(std::max(n, 0)));
  if (name.empty() || name.find('\0') != std::string::npos) return;
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  to.names.push_back(std::move(name));
}

/// The subject's alternative names alone (RFC 9525 section 2).
void read_names(Certificate& to) {
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(to.leaf.get(), NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_DNS) continue;
    add_name(ASN1_STRING_get0_data(name->d.dNSName), ASN1_STRING_length(name->d.dNSName), to);
  }
  GENERAL_NAMES_free(names);
  ERR_clear_error();
}

void add_fingerprint(X509* certificate, std::string& to) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int n = 0;
  if (X509_digest(certificate, EVP_sha256(), digest, &n) != 1)
    throw Error("ERR_FLATPROXY_CERTIFICATE", "a certificate cannot be hashed: out of memory");
  to.append(reinterpret_cast<const char*>(digest), n);
}

}  // namespace

void FreeLibrary::operator()(x509_st* certificate) const { X509_free(certificate); }
void FreeLibrary::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }

Certificate read_certificate(const CertificateFiles& files) {
  Certificate certificate;
  read_chain(files.certificate, certificate);
  read_key(files, certificate);
  read_names(certificate);
  add_fingerprint(certificate.leaf.get(), certificate.fingerprint);
  for (const CertificatePtr& issuer : certificate.issuers) add_fingerprint(issuer.get(), certificate.fingerprint);
  return certificate;
}

}  // namespace flatproxy::tls
