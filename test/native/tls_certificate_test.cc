#include "tls/certificate.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>

#include "packet/error.h"
#include "support/certificates.h"
#include "tls/server_context.h"

namespace flatproxy::tls {
namespace {

struct CertificateTest : ::testing::Test {
  void expect_refused(const CertificateFiles& given, const std::string& what) {
    try {
      read_certificate(given);
      ADD_FAILURE() << "it was taken: " << what;
    } catch (const Error& error) {
      EXPECT_EQ(error.code, "ERR_FLATPROXY_CERTIFICATE");
      EXPECT_NE(std::string(error.what()).find(what), std::string::npos) << error.what();
      EXPECT_EQ(std::string(error.what()).find("-----"), std::string::npos) << error.what();
      EXPECT_FALSE(error.remedy.empty());
    }
  }

  test::Authority authority;
  CertificateFiles files = authority.issue({"shop.example", "*.Shop.example"});
};

TEST_F(CertificateTest, IsReadWithItsIssuersAndNames) {
  const Certificate certificate = read_certificate(files);
  EXPECT_EQ(certificate.names, (std::vector<std::string>{"shop.example", "*.shop.example"}));
  EXPECT_EQ(certificate.issuers.size(), 1u);
  EXPECT_EQ(certificate.fingerprint.size(), 64u);
  EXPECT_NE(certificate.fingerprint, read_certificate(authority.issue({"shop.example"})).fingerprint);
}

TEST_F(CertificateTest, FilesThatAreNotThereAreNamed) {
  expect_refused({"/nowhere/a.pem", files.key}, "certificate '/nowhere/a.pem' cannot be read: No such file");
  expect_refused({files.certificate, "/nowhere/a.key"}, "key '/nowhere/a.key' cannot be read: No such file");
}

TEST_F(CertificateTest, WhatIsNoCertificateIsRefused) {
  expect_refused({authority.write("empty", ""), files.key}, "holds no certificate in PEM");
  expect_refused({files.key, files.key}, "holds no certificate in PEM");
  std::string text = authority.read(files.certificate);
  text.replace(text.find('\n') + 10, 8, "AAAAAAAA");
  expect_refused({authority.write("broken", text), files.key}, "holds a malformed certificate");
  text = authority.read(files.certificate);
  text.resize(text.size() - 60);
  expect_refused({authority.write("cut", text), files.key}, "holds a malformed certificate behind the first 1");
}

TEST_F(CertificateTest, WhatIsNoKeyIsRefused) {
  expect_refused({files.certificate, files.certificate}, "holds no private key in PEM");
  expect_refused({files.certificate, authority.write("empty", "")}, "holds no private key in PEM");
}

TEST_F(CertificateTest, AKeyOfAnotherIsRefused) {
  expect_refused({files.certificate, authority.issue({"shop.example"}).key}, "is not that of the certificate in");
}

TEST_F(CertificateTest, NoPasswordIsAskedFor) {
  const auto close = [](FILE* file) { std::fclose(file); };
  const std::string path = authority.write("secret", "");
  std::unique_ptr<FILE, decltype(close)> in(std::fopen(files.key.c_str(), "r"), close);
  std::unique_ptr<FILE, decltype(close)> out(std::fopen(path.c_str(), "w"), close);
  EVP_PKEY* key = PEM_read_PrivateKey(in.get(), nullptr, nullptr, nullptr);
  const unsigned char password[] = "secret";
  PEM_write_PKCS8PrivateKey(out.get(), key, EVP_aes_128_cbc(), reinterpret_cast<const char*>(password), 6, nullptr,
                            nullptr);
  EVP_PKEY_free(key);
  out.reset();
  expect_refused({files.certificate, path}, "holds a key that needs a password");
}

TEST_F(CertificateTest, TheSameCertificatesMakeTheSameContext) {
  const ServerContext first(TlsSettings{.certificates = {files}});
  EXPECT_TRUE(first.is_same(ServerContext(TlsSettings{.certificates = {files}})));
  EXPECT_FALSE(
      first.is_same(ServerContext(TlsSettings{.certificates = {files}, .oldest = TlsSettings::Version::tls13})));
  const CertificateFiles other = authority.issue({"shop.example"});
  authority.write("certificate1.pem", authority.read(other.certificate));
  authority.write("key1.pem", authority.read(other.key));
  EXPECT_FALSE(first.is_same(ServerContext(TlsSettings{.certificates = {files}})));
}

}  // namespace
}  // namespace flatproxy::tls
