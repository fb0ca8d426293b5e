#pragma once

namespace flatproxy::tls {

/// Starts the addon's own copy of OpenSSL, before anything of it is used; any thread, as often as one likes. It reads
/// no configuration of the system's, which may name modules of another copy, and does nothing as the process exits.
/// @returns whether OpenSSL works, and is of the version of the headers that this was compiled with
bool start_libcrypto();

}  // namespace flatproxy::tls
