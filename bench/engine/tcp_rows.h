#pragma once

namespace flatproxy::bench {

// Connections to a listener, relayed to servers by one lane between memory ports. Clients and servers answer out of
// what each segment says, and keep next to nothing.

/// `tcp-connect`: connections a second: handshake, a byte each way, close; each is two for the lane.
void tcp_connect(int rounds);
/// `tcp-large`: bits a second of streams in large frames.
void tcp_large(int rounds);
/// Messages of 100 bytes a second that come back to their clients. @param depth on their way, for each of 64
/// connections
void tcp_small(const char* name, int depth, int rounds);
/// `tcp-flood`: SYNs from anywhere that are answered a second, by cookies: the backlog is full.
void tcp_flood(int rounds);
/// `tcp-flood-kept`: what streams of 9 Gbit/s keep of it, percent, beside SYNs as fast as 1 Gbit/s carries them (1.49 M
/// a second); `tcp-flood-open`: the longest, seconds, that a newcomer has waited for its server's first byte meanwhile.
void tcp_flood_kept(int rounds);
/// `tcp-idle-bytes`: memory of an established connection that nothing happens to, of a million.
void tcp_idle_bytes(int rounds);
/// `tcp-idle-cost`: what a message costs a stack that holds a million idle connections, percent of what it costs one
/// that holds none.
void tcp_idle_cost(int rounds);

}  // namespace flatproxy::bench
