/*
 * balance.c - the way of one packet, from its bytes to its verdict.  Pure;
 * called by the workers.  A new flow goes on to balance_admit.c; what becomes
 * of one whose backend is lost is decided in balance_lost.c.
 *
 * Each path ends in one call of pass(), drop(), refuse(), send_to() or
 * forward(), which set action and reason together: every packet gets one of
 * each.
 */
#include "loaded/balance.h"

#include <stddef.h>

#include "loaded/balance_admit.h"
#include "loaded/balance_lost.h"
#include "loaded/tcp_state.h"

static void
pass(struct balance_packet *bp, enum balance_reason reason)
{
	bp->action = BALANCE_PASS;
	bp->reason = reason;
}

static void
drop(struct balance_packet *bp, enum balance_reason reason)
{
	bp->action = BALANCE_DROP;
	bp->reason = reason;
}

/*
 * A GSO packet can't be cut down to an answer: its segment size would stay.
 * Of one that is not whole too little is known.
 */
static bool
is_mute(const struct balance_packet *bp)
{
	return bp->gso || bp->truncated;
}

static void
refuse(struct balance_packet *bp, enum balance_reason reason)
{
	size_t len = 0;

	drop(bp, reason);
	if (!is_mute(bp))
		len = refuse_packet(&bp->pkt);
	if (len == 0)
		return;
	bp->len = (uint32_t)len;
	bp->action = BALANCE_SEND;
	bp->refused = 1;
}

/* A packet of which only the head is here can't replace itself. */
static void
send_to(struct balance_packet *bp, const struct rewrite *rw,
    enum balance_reason reason)
{
	if (bp->truncated) {
		drop(bp, BALANCE_TRUNCATED);
		return;
	}
	rewrite_apply(&bp->pkt, rw, bp->csum);
	bp->action = BALANCE_SEND;
	bp->reason = reason;
}

/* To the flow's backend, in the way of its service. */
static void
forward(const struct balance *b, struct balance_packet *bp,
    const struct flow *f, enum balance_reason reason)
{
	struct rewrite rw = { .end = REWRITE_DST };

	bp->backend = f->backend;
	if (f->forward == FORWARD_DR) {
		bp->mark = TABLE_MARK_BASE + f->backend;
		pass(bp, reason);
		return;
	}
	rw.addr = table_addr_by_id(b->table, f->server)->addr;
	rw.port_be = f->server_port_be;
	send_to(bp, &rw, reason);
}

/* What happens to a packet to a VIP that is not whole TCP or UDP. */
static void
decide_odd(struct balance_packet *bp)
{
	switch (bp->parsed) {
	case PKT_OK:
		break;
	case PKT_ICMP:
		pass(bp, BALANCE_ICMP);
		break;
	case PKT_OTHER_PROTO:
		pass(bp, BALANCE_OTHER_PROTO);
		break;
	case PKT_LATER_FRAGMENT:
		drop(bp, BALANCE_LATER_FRAGMENT);
		break;
	case PKT_SOURCE_ROUTED:
		drop(bp, BALANCE_SOURCE_ROUTED);
		break;
	case PKT_BAD_L4:
		drop(bp, BALANCE_BAD_L4);
		break;
	case PKT_BAD_CHAIN:
		drop(bp, BALANCE_BAD_CHAIN);
		break;
	case PKT_BAD_IP:
		drop(bp, BALANCE_BAD_IP);
		break;
	}
}

static enum tcp_state
step(const struct flow *f, enum tcp_dir dir, uint8_t flags)
{
	if (f->forward == FORWARD_DR)
		return tcp_state_step_input_only(f->state, flags);
	return tcp_state_step(f->state, dir, flags);
}

/* One packet of a known flow was seen; the stripe is locked. */
static void
follow(struct balance *b, const struct balance_packet *bp, struct flow *f,
    enum tcp_dir dir)
{
	enum flow_class class = FLOW_UDP;

	if (f->proto == IPPROTO_TCP) {
		balance_watch(b, bp, f, dir);
		f->state = (uint8_t)step(f, dir, bp->pkt.tcp_flags);
		class = balance_tcp_class(f->state);
	}
	flow_touch(&b->flows, &bp->hash, f, class, b->table->timeout[class],
	    b->now);
}

/* The flow is over: true when that is the end of the packet, too. */
static bool
end_known(struct balance_packet *bp, enum balance_fate fate)
{
	bp->moved = fate == BALANCE_FATE_MOVED;
	if (fate != BALANCE_FATE_LOST)
		return false;
	refuse(bp, BALANCE_BACKEND_DOWN);
	return true;
}

/*
 * True when the packet belonged to a flow and is on its way, or refused.  A
 * lost flow waits for a packet that can be answered: after one that can't, the
 * client would never be told.
 */
static bool
decide_known(struct balance *b, struct balance_packet *bp)
{
	enum balance_fate fate = BALANCE_FATE_REPLACED;
	struct flow copy;
	struct flow *f;
	bool renew;

	flow_lock(&b->flows, &bp->hash);
	f = flow_find(&b->flows, &bp->hash, &bp->key, b->now);
	if (f != NULL)
		fate = balance_fate(b, bp, f);
	if (fate != BALANCE_FATE_LIVES) {
		if (f != NULL && !(fate == BALANCE_FATE_LOST && is_mute(bp)))
			flow_remove(&b->flows, &bp->hash, f);
		flow_unlock(&b->flows, &bp->hash);
		return end_known(bp, fate);
	}
	follow(b, bp, f, TCP_FROM_CLIENT);
	renew = balance_persist_due(b, f);
	if (renew)
		f->refreshed = b->now;
	copy = *f;
	flow_unlock(&b->flows, &bp->hash);

	if (renew)
		balance_persist_renew(b, &copy);
	forward(b, bp, &copy, BALANCE_CLIENT);
	return true;
}

static void
decide_new(struct balance *b, struct balance_packet *bp)
{
	const struct table_service *s;
	enum balance_reason reason;
	struct flow flow;

	s = table_find_service(b->table, bp->vip, bp->pkt.proto,
	    ntohs(bp->pkt.dport_be));
	if (s == NULL) {
		pass(bp, BALANCE_NO_SERVICE);
		return;
	}
	reason = balance_admit(b, bp, s, &flow);
	/* Another worker was quicker with a packet of the same flow. */
	if (reason == BALANCE_CLIENT && decide_known(b, bp))
		return;
	if (reason != BALANCE_NEW && reason != BALANCE_RESUMED &&
	    reason != BALANCE_MOVED) {
		if (s->no_backend == NO_BACKEND_RESET)
			refuse(bp, reason);
		else
			drop(bp, reason);
		return;
	}
	forward(b, bp, &flow, reason);
}

static void
decide_from_client(struct balance *b, struct balance_packet *bp)
{
	if (bp->parsed != PKT_OK)
		decide_odd(bp);
	else if (!decide_known(b, bp))
		decide_new(b, bp);
}

static void
decide_from_backend(struct balance *b, struct balance_packet *bp)
{
	struct rewrite rw = { .end = REWRITE_SRC };
	struct flow *f = NULL;

	if (bp->parsed == PKT_OK) {
		flow_lock(&b->flows, &bp->hash);
		f = flow_find(&b->flows, &bp->hash, &bp->key, b->now);
		if (f != NULL) {
			follow(b, bp, f, TCP_FROM_BACKEND);
			rw.addr = table_addr_by_id(b->table, f->vip)->addr;
			rw.port_be = f->vip_port_be;
			bp->backend = f->backend;
		}
		flow_unlock(&b->flows, &bp->hash);
	}
	if (f == NULL)
		pass(bp, BALANCE_NO_FLOW);
	else
		send_to(bp, &rw, BALANCE_REPLY);
}

void
balance_time(struct balance *b, uint64_t now_ns)
{
	b->now_ns = now_ns;
	b->now = (uint32_t)(now_ns / (FLOW_TICK_MS * UINT64_C(1000000)));
}

void
balance_prepare(const struct balance *b, struct balance_packet *bp)
{
	struct pkt *p = &bp->pkt;
	const struct table_addr *a;

	bp->vip = NULL;
	bp->server = NULL;
	bp->refused = 0;
	bp->mark = 0;
	bp->parsed = pkt_parse(p, bp->data, bp->len);
	if (bp->parsed == PKT_BAD_IP)
		return;
	bp->truncated |= p->truncated;
	a = table_find_addr(b->table, &p->dst);
	if (a != NULL && (a->flags & TABLE_VIP)) {
		bp->vip = a;
		bp->key.client = p->src;
		bp->key.client_port_be = p->sport_be;
		bp->key.peer_port_be = p->dport_be;
		bp->key.dir = FLOW_FROM_CLIENT;
	} else {
		a = table_find_addr(b->table, &p->src);
		if (a == NULL || !(a->flags & TABLE_SERVER))
			return;
		bp->server = a;
		bp->key.client = p->dst;
		bp->key.client_port_be = p->dport_be;
		bp->key.peer_port_be = p->sport_be;
		bp->key.dir = FLOW_FROM_BACKEND;
	}
	bp->key.peer = table_addr_id(b->table, a);
	bp->key.proto = p->proto;
	if (bp->parsed != PKT_OK)
		return;
	bp->hash = flow_hash(&b->flows, &bp->key);
	flow_prefetch(&b->flows, &bp->hash);
}

void
balance_fetch(const struct balance *b, const struct balance_packet *bp)
{
	if (bp->parsed == PKT_OK && (bp->vip != NULL || bp->server != NULL))
		flow_prefetch_entry(&b->flows, &bp->hash);
}

void
balance_decide(struct balance *b, struct balance_packet *bp)
{
	if (bp->parsed == PKT_BAD_IP)
		drop(bp, BALANCE_BAD_IP);
	else if (bp->vip != NULL)
		decide_from_client(b, bp);
	else if (bp->server != NULL)
		decide_from_backend(b, bp);
	else
		pass(bp, BALANCE_NOT_OURS);
}

void
balance_flow_ended(void *backends, const struct flow *flow)
{
	struct backend_state *states = backends;

	backend_release(&states[flow->backend]);
}

const char *
balance_reason_name(enum balance_reason reason)
{
	static const char *const names[BALANCE_REASONS] = {
		[BALANCE_CLIENT] = "client",
		[BALANCE_REPLY] = "reply",
		[BALANCE_NEW] = "new",
		[BALANCE_RESUMED] = "resumed",
		[BALANCE_MOVED] = "moved",
		[BALANCE_NOT_OURS] = "not_ours",
		[BALANCE_NO_FLOW] = "no_flow",
		[BALANCE_NO_SERVICE] = "no_service",
		[BALANCE_ICMP] = "icmp",
		[BALANCE_OTHER_PROTO] = "other_proto",
		[BALANCE_LATER_FRAGMENT] = "later_fragment",
		[BALANCE_SOURCE_ROUTED] = "source_routed",
		[BALANCE_BAD_IP] = "bad_ip",
		[BALANCE_BAD_CHAIN] = "bad_chain",
		[BALANCE_BAD_L4] = "bad_l4",
		[BALANCE_TRUNCATED] = "truncated",
		[BALANCE_BACKEND_DOWN] = "backend_down",
		[BALANCE_NO_BACKEND] = "no_backend",
		[BALANCE_REPLY_TAKEN] = "reply_taken",
		[BALANCE_TABLE_FULL] = "table_full",
		[BALANCE_UNKNOWN_FLOW] = "unknown_flow",
	};

	return names[reason];
}
