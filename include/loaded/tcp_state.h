/*
 * tcp_state.h - what a balancer has to know of a TCP connection, from the
 * flags it sees pass.  Sequence numbers are not followed.
 *
 *            SYN           SYN+ACK from backend     ACK from client
 *   (none) ------> SYN_SENT ---------> SYN_RECV ----------> ESTABLISHED
 *                                                     FIN  /     \  FIN
 *                                              FIN_CLIENT   FIN_SERVER
 *                                          other side's FIN \     /
 *                       RST from anywhere ---------------->  CLOSED
 *
 * The input-only variant is for modes whose replies go past the balancer: the
 * client's own packets stand for the answers that must have come between.
 */
#ifndef LOADED_TCP_STATE_H
#define LOADED_TCP_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum tcp_state {
	TCP_STATE_SYN_SENT,
	TCP_STATE_SYN_RECV,
	TCP_STATE_ESTABLISHED,
	TCP_STATE_FIN_CLIENT,
	TCP_STATE_FIN_SERVER,
	TCP_STATE_CLOSED,
};

enum tcp_dir { TCP_FROM_CLIENT, TCP_FROM_BACKEND };

/* flags: enum pkt_flags. */
enum tcp_state tcp_state_step(enum tcp_state state, enum tcp_dir dir,
    uint8_t flags);
enum tcp_state tcp_state_step_input_only(enum tcp_state state, uint8_t flags);

/*
 * A client's SYN that must not continue the old connection: the port is used
 * again after a close (RFC 6191 lets a client do so from TIME-WAIT).
 */
bool tcp_state_reused(enum tcp_state state, uint8_t flags);

#endif
