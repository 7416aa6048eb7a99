/*
 * balance_lost.c - live flows of backends that were declared down, and signs
 * that one should be.  Pure; called by balance.c for each packet of a known
 * flow, so what is usual comes first: all is well.
 */
#include "loaded/balance_lost.h"

/* These flags say if a packet opens a connection. */
#define OPENING (PKT_SYN | PKT_ACK | PKT_RST | PKT_FIN)

enum pool_mode
balance_pool_mode(const struct balance *b, const struct table_service *s,
    const struct addr *a)
{
	const _Atomic uint8_t *modes = b->pools[s->pool].mode;

	return atomic_load_explicit(&modes[table_family_of(a)],
	    memory_order_relaxed);
}

/* A panic is that of the service's pool, also for a backend of its backup. */
static bool
is_lost(const struct balance *b, const struct flow *f,
    const struct table_service *s)
{
	const bool panic = balance_pool_mode(b, s, &f->client) == POOL_PANIC;

	return backend_is_lost(&b->backends[f->backend], panic);
}

/* Nothing is sent to the backend, unless the service says to keep on. */
static enum balance_fate
fate_of_lost(const struct balance_packet *bp, const struct table_service *s)
{
	const uint8_t flags = bp->pkt.tcp_flags;

	if (s->on_down == ON_DOWN_KEEP)
		return BALANCE_FATE_LIVES;
	if (flags & PKT_RST)
		return BALANCE_FATE_LOST;
	if (s->on_down == ON_DOWN_MOVE || bp->pkt.proto != IPPROTO_TCP)
		return BALANCE_FATE_MOVED;
	return (flags & OPENING) == PKT_SYN ? BALANCE_FATE_REPLACED :
					      BALANCE_FATE_LOST;
}

enum balance_fate
balance_fate(const struct balance *b, const struct balance_packet *bp,
    const struct flow *f)
{
	const struct table_service *s;

	if (f->proto == IPPROTO_TCP &&
	    tcp_state_reused(f->state, bp->pkt.tcp_flags))
		return BALANCE_FATE_REPLACED;
	if (!backend_is_lost(&b->backends[f->backend], false) ||
	    f->class == FLOW_CLOSED)
		return BALANCE_FATE_LIVES;
	s = table_service(b->table, f->service);
	return is_lost(b, f, s) ? fate_of_lost(bp, s) : BALANCE_FATE_LIVES;
}

void
balance_watch(const struct balance *b, const struct balance_packet *bp,
    const struct flow *f, enum tcp_dir dir)
{
	const uint8_t flags = bp->pkt.tcp_flags;
	const bool again = dir == TCP_FROM_CLIENT &&
	    (flags & OPENING) == PKT_SYN;
	const bool reset = dir == TCP_FROM_BACKEND && (flags & PKT_RST);

	if (!(again || reset) || f->state != TCP_STATE_SYN_SENT ||
	    f->forward == FORWARD_DR)
		return;
	atomic_fetch_add_explicit(&b->backends[f->backend].suspect, 1,
	    memory_order_relaxed);
	atomic_fetch_add_explicit(b->suspicions, 1, memory_order_relaxed);
}
