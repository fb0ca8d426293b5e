#pragma once

namespace flatproxy::bench {

// Requests to a listener, relayed to servers by one lane between memory ports, as tcp_rows.h has connections.

/// `request-keepalive`: small GETs a second, of 64 clients that wait for each response.
void request_keepalive(int rounds);
/// `request-connect`: the same with a client's connection for each; those to servers are kept.
void request_connect(int rounds);
/// `body-large`: bits a second of requests' bodies in large frames.
void body_large(int rounds);
/// `http-idle-bytes`: memory of a client's connection that has had a request, of a million.
void http_idle_bytes(int rounds);

}  // namespace flatproxy::bench
