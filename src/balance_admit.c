/*
 * balance_admit.c - the first packet of a flow: may it come in, and to which
 * backend?  Pure; called by balance.c with no lock held.
 */
#include "loaded/balance_admit.h"

#include <stddef.h>

#include "loaded/balance_lost.h"
#include "loaded/prng.h"

/* A flow's packets renew its persistence this often within the timeout. */
#define RENEWALS 4U

enum flow_class
balance_tcp_class(enum tcp_state state)
{
	switch (state) {
	case TCP_STATE_SYN_SENT:
	case TCP_STATE_SYN_RECV:
		return FLOW_SYN;
	case TCP_STATE_ESTABLISHED:
		return FLOW_ESTABLISHED;
	case TCP_STATE_FIN_CLIENT:
	case TCP_STATE_FIN_SERVER:
		return FLOW_FIN;
	case TCP_STATE_CLOSED:
		break;
	}
	return FLOW_CLOSED;
}

/* Persistence is a flow of its own: client prefix -> backend. */
static struct flow_key
persist_key(const struct table_service *s, const struct addr *client)
{
	return (struct flow_key){
		.client = addr_mask(client,
		    s->persist_bits[table_family_of(client)]),
		.peer = s->slot,
		.dir = FLOW_FROM_CLIENT,
	};
}

/* The member that the client's earlier flows went to, or SCHED_NONE. */
static uint32_t
persist_find(struct balance *b, const struct table_service *s,
    const struct sched_group *g, const struct sched_client *c)
{
	const struct flow_key key = persist_key(s, &c->addr);
	const struct flow_hash hash = flow_hash(&b->flows, &key);
	const struct flow *f;
	uint32_t i, slot = SCHED_NONE;

	flow_lock(&b->flows, &hash);
	f = flow_find(&b->flows, &hash, &key, b->now);
	if (f != NULL)
		slot = f->backend;
	flow_unlock(&b->flows, &hash);
	for (i = 0; slot != SCHED_NONE && i < g->count; i++)
		if (g->members[i].slot == slot)
			return sched_member_usable(g, c, i) ? i : SCHED_NONE;
	return SCHED_NONE;
}

/* A full table costs the client its persistence, not its flow. */
static void
persist_store(struct balance *b, const struct table_service *s,
    const struct flow *flow)
{
	const struct flow_key key = persist_key(s, &flow->client);
	const struct flow_hash hash = flow_hash(&b->flows, &key);
	struct flow new = {
		.client = key.client,
		.vip = s->slot,
		.server = flow->server,
		.service = s->slot,
		.backend = flow->backend,
		.class = FLOW_PERSIST,
		.timeout = s->persist_ticks,
	};
	struct flow *f;

	flow_lock(&b->flows, &hash);
	f = flow_find(&b->flows, &hash, &key, b->now);
	if (f == NULL) {
		(void)flow_insert(&b->flows, &hash, &new, b->now);
	} else {
		f->backend = flow->backend;
		f->server = flow->server;
		flow_touch(&b->flows, &hash, f, FLOW_PERSIST, s->persist_ticks,
		    b->now);
	}
	flow_unlock(&b->flows, &hash);
}

bool
balance_persist_due(const struct balance *b, const struct flow *f)
{
	const uint32_t ticks =
	    table_service(b->table, f->service)->persist_ticks;

	return ticks != 0 && b->now - f->refreshed > ticks / RENEWALS;
}

void
balance_persist_renew(struct balance *b, const struct flow *f)
{
	const struct table_service *s = table_service(b->table, f->service);
	const struct flow_key key = persist_key(s, &f->client);
	const struct flow_hash hash = flow_hash(&b->flows, &key);
	struct flow *persist;

	flow_lock(&b->flows, &hash);
	persist = flow_find(&b->flows, &hash, &key, b->now);
	/* An old flow must not call the client back from a newer backend. */
	if (persist != NULL && persist->backend == f->backend)
		flow_touch(&b->flows, &hash, persist, FLOW_PERSIST,
		    s->persist_ticks, b->now);
	flow_unlock(&b->flows, &hash);
}

static struct flow
make_flow(const struct balance *b, const struct balance_packet *bp,
    const struct table_service *s, const struct sched_member *m)
{
	const struct pkt *p = &bp->pkt;
	struct flow f = {
		.client = p->src,
		.vip = bp->key.peer,
		.server = m->addr_id,
		.service = s->slot,
		.backend = m->slot,
		.client_port_be = p->sport_be,
		.vip_port_be = p->dport_be,
		.server_port_be = m->port_be != 0 ? m->port_be : p->dport_be,
		.proto = p->proto,
		.forward = s->forward,
		.refreshed = b->now,
		.class = FLOW_UDP,
	};

	if (p->proto == IPPROTO_TCP) {
		f.state = (p->tcp_flags & PKT_SYN) ? TCP_STATE_SYN_SENT :
						     TCP_STATE_ESTABLISHED;
		f.class = (uint8_t)balance_tcp_class(f.state);
	}
	f.timeout = b->table->timeout[f.class];
	return f;
}

/* One member: its limits, then the table.  Undone whole if either refuses. */
static enum balance_reason
try_member(struct balance *b, const struct balance_packet *bp,
    const struct sched_member *m, struct flow *flow)
{
	struct backend_state *state = &b->backends[m->slot];
	enum flow_insert_result result;

	if (!backend_take(state, b->now_ns))
		return BALANCE_NO_BACKEND;
	flow_lock(&b->flows, &bp->hash);
	result = flow_insert(&b->flows, &bp->hash, flow, b->now);
	flow_unlock(&b->flows, &bp->hash);
	if (result == FLOW_INSERTED)
		atomic_fetch_add_explicit(&state->flows, 1,
		    memory_order_relaxed);
	else
		backend_release(state);
	switch (result) {
	case FLOW_INSERTED:
		return BALANCE_NEW;
	case FLOW_EXISTS:
		return BALANCE_CLIENT;
	case FLOW_REPLY_TAKEN:
		return BALANCE_REPLY_TAKEN;
	case FLOW_FULL:
		break;
	}
	return BALANCE_TABLE_FULL;
}

/* The mode may be older than the table, and the backup gone by now. */
static const struct table_group *
group_in_use(const struct table_service *s, const struct addr *vip,
    enum pool_mode mode)
{
	const enum table_family family = table_family_of(vip);

	if (mode == POOL_BACKUP && s->backup[family].nmembers != 0)
		return &s->backup[family];
	return &s->group[family];
}

/*
 * Asks the scheduler until a member can have the flow.  A member tried in
 * vain is excluded from the next question.
 */
static enum balance_reason
place(struct balance *b, const struct balance_packet *bp,
    const struct table_service *s, struct flow *flow)
{
	const enum pool_mode mode = balance_pool_mode(b, s, &bp->pkt.dst);
	const struct sched_group g = table_sched_group(b->table, b->scratch,
	    b->backends, s, group_in_use(s, &bp->pkt.dst, mode));
	struct sched_client c = {
		.addr = bp->pkt.src,
		.port_be = bp->pkt.sport_be,
		.now_ns = b->now_ns,
		.panic = mode == POOL_PANIC,
	};
	enum balance_reason reason = BALANCE_NO_BACKEND;
	uint32_t i = SCHED_NONE;

	if (s->persist_ticks != 0)
		i = persist_find(b, s, &g, &c);
	for (;;) {
		c.random = prng_next(&b->random);
		if (i == SCHED_NONE)
			i = sched_pick(sched_ops(s->scheduler), &g, &c);
		if (i == SCHED_NONE)
			return reason;
		*flow = make_flow(b, bp, s, &g.members[i]);
		reason = try_member(b, bp, &g.members[i], flow);
		if (reason != BALANCE_NO_BACKEND &&
		    reason != BALANCE_REPLY_TAKEN)
			return reason;
		if (c.nexcluded == SCHED_EXCLUDE)
			return reason;
		c.excluded[c.nexcluded++] = i;
		i = SCHED_NONE;
	}
}

/*
 * A client that had a flow may go on in mid-stream; others if the scheduler
 * would send them where they were.
 */
static bool
may_resume(const struct balance_packet *bp, const struct table_service *s)
{
	if (bp->moved)
		return true;
	return (bp->pkt.tcp_flags & (PKT_SYN | PKT_RST)) == 0 &&
	    sched_ops(s->scheduler)->consistent;
}

enum balance_reason
balance_admit(struct balance *b, const struct balance_packet *bp,
    const struct table_service *s, struct flow *flow)
{
	const struct pkt *p = &bp->pkt;
	const bool tcp = p->proto == IPPROTO_TCP;
	const bool opens = (p->tcp_flags & (PKT_SYN | PKT_ACK | PKT_RST)) ==
	    PKT_SYN;
	enum balance_reason reason;

	if (tcp && !opens && !may_resume(bp, s))
		return BALANCE_UNKNOWN_FLOW;
	reason = place(b, bp, s, flow);
	if (reason != BALANCE_NEW)
		return reason;
	if (s->persist_ticks != 0)
		persist_store(b, s, flow);
	if (bp->moved)
		return BALANCE_MOVED;
	return tcp && !opens ? BALANCE_RESUMED : BALANCE_NEW;
}
