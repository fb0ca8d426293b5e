#pragma once

namespace flatproxy::bench {

/// Content of records sealed and opened a second (TLS 1.3, AES-128-GCM), as bit/s: `tls-seal-16k`, `tls-open-16k`,
/// `tls-seal-1k`. Each beside NAME-library: the crypto library alone, called for as many bytes that lie flat.
void tls_seal_large(int rounds);
void tls_open_large(int rounds);
void tls_seal_small(int rounds);

}  // namespace flatproxy::bench
