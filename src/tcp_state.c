/*
 * tcp_state.c - the small TCP state machine.
 *
 * Called by: the workers, for every TCP packet of a known flow.  Pure.  Only
 * an answer from the backend (or, input-only, the client's answer to it) leads
 * out of SYN_SENT: a SYN alone never makes a connection established.
 */
#include "loaded/tcp_state.h"

#include "loaded/pkt.h"

/* FIN beside SYN means nothing. */
static bool
is_fin(uint8_t flags)
{
	return (flags & (PKT_SYN | PKT_FIN)) == PKT_FIN;
}

static bool
is_ack(uint8_t flags)
{
	return (flags & (PKT_SYN | PKT_ACK)) == PKT_ACK;
}

static bool
is_syn_ack(uint8_t flags)
{
	return (flags & PKT_SYN) && (flags & PKT_ACK);
}

/* The second side's FIN closes; the first side's, sent again, does not. */
static enum tcp_state
step_fin(enum tcp_state state, enum tcp_dir dir)
{
	const enum tcp_state first = dir == TCP_FROM_CLIENT ?
	    TCP_STATE_FIN_CLIENT :
	    TCP_STATE_FIN_SERVER;

	if (state == TCP_STATE_SYN_RECV || state == TCP_STATE_ESTABLISHED)
		return first;
	return state == first ? state : TCP_STATE_CLOSED;
}

enum tcp_state
tcp_state_step(enum tcp_state state, enum tcp_dir dir, uint8_t flags)
{
	if (flags & PKT_RST)
		return TCP_STATE_CLOSED;
	if (state == TCP_STATE_SYN_SENT)
		return dir == TCP_FROM_BACKEND && is_syn_ack(flags) ?
		    TCP_STATE_SYN_RECV :
		    state;
	if (is_fin(flags))
		return step_fin(state, dir);
	if (state == TCP_STATE_SYN_RECV && dir == TCP_FROM_CLIENT &&
	    is_ack(flags))
		return TCP_STATE_ESTABLISHED;
	return state;
}

/*
 * A client's ACK implies the SYN+ACK.  Its FIN is the last that is known for
 * certain: the ACKs that follow may be for a FIN or for more data, so the flow
 * stays in FIN_CLIENT until that times out.
 */
enum tcp_state
tcp_state_step_input_only(enum tcp_state state, uint8_t flags)
{
	if (state == TCP_STATE_SYN_SENT && is_ack(flags))
		state = TCP_STATE_SYN_RECV;
	return tcp_state_step(state, TCP_FROM_CLIENT, flags);
}

/*
 * FIN_CLIENT counts as closed: it is the end that input-only sees, and who has
 * sent a FIN and now sends a SYN has forgotten the old connection.  In the
 * other states the backend answers with a challenge ACK (RFC 5961, 4), the
 * client with a RST, and only then is the flow over.
 */
bool
tcp_state_reused(enum tcp_state state, uint8_t flags)
{
	const uint8_t mask = PKT_SYN | PKT_ACK | PKT_RST | PKT_FIN;

	return (flags & mask) == PKT_SYN &&
	    (state == TCP_STATE_CLOSED || state == TCP_STATE_FIN_CLIENT);
}
