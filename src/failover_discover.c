/*
 * failover_discover.c - finds backends by a broadcast ping, and gives up those
 * that no longer serve.  Run by the failover thread.  Whoever answers and
 * serves the port is told to the supervisor, which decides; nobody is asked
 * who is outside of backend_networks, a VIP, this machine itself, or known.
 */
#include <stdlib.h>

#include "loaded/clock.h"
#include "loaded/failover_impl.h"
#include "loaded/local_addrs.h"
#include "loaded/message.h"

#define MS_PER_S 1e3
#define SOON_S 0.1
#define NS_PER_MS UINT64_C(1000000)
/* A backend that was down for so many intervals is given up. */
#define GONE_INTERVALS 3

/* At a time: all who answer a call, also those who don't serve. */
#define CANDIDATES 1024

/* Somebody who answered and is asked whether he serves. */
struct candidate {
	struct failover *f; /* borrowed */
	struct probe probe;
	bool used;
};

static bool
is_member(const struct table *t, const struct addr *a)
{
	const struct table_pool *pool = table_pool(t, t->discover.pool);
	const enum table_family family = table_family_of(a);
	const struct sched_member *m = table_members(t) +
	    pool->family[family].first_member;

	for (uint32_t i = 0; i < pool->family[family].nmembers; i++)
		if (addr_equal(&m[i].addr, a))
			return true;
	return false;
}

static struct candidate *
free_candidate(struct failover *f, const struct addr *a)
{
	struct candidate *free_one = NULL;

	for (uint32_t i = 0; i < f->ncandidates; i++) {
		struct candidate *c = &f->candidates[i];

		if (!c->used)
			free_one = c;
		else if (addr_equal(&c->probe.addr, a))
			return NULL;
	}
	return free_one;
}

static void
on_asked(struct probe *p, const struct probe_outcome *o)
{
	struct candidate *c = p->arg;
	struct failover *f = c->f;
	struct message m = {
		.type = MESSAGE_FOUND,
		.generation = f->table->generation,
		.pool = f->table->discover.pool,
		.addr = p->addr,
	};

	c->used = false;
	if (o->result != PROBE_OK || atomic_load(&f->abandoned))
		return;
	/* If it does not get through, the next call finds it again. */
	(void)message_send(f->conf.supervisor, &m, -1);
}

void
failover_found(void *arg, const struct addr *from)
{
	struct failover *f = arg;
	const struct table *t = f->table;
	struct candidate *c;

	if (f->ncandidates == 0 || !table_in_networks(t, from) ||
	    table_is_vip(t, from) || is_member(t, from))
		return;
	c = free_candidate(f, from);
	/* The balancer hears its own call, and must not balance to itself. */
	if (c == NULL || local_addrs_has(&f->local, from))
		return;
	*c = (struct candidate){
		.f = f,
		.used = true,
		.probe = {
			.check = &f->found_check,
			.check_index = FAILOVER_OWN_CHECK,
			.addr = *from,
			.port = t->discover.port,
			.done = on_asked,
			.arg = c,
		},
	};
	probe_start(f->engine, &c->probe);
}

static void
give_up(struct failover *f, const struct target *t)
{
	const struct message m = {
		.type = MESSAGE_LOST,
		.generation = f->table->generation,
		.pool = target_backend(t)->pool,
		.slot = t->slot,
		.addr = target_member(t)->addr,
	};

	(void)message_send(f->conf.supervisor, &m, -1);
}

static void
give_up_gone(struct failover *f)
{
	const uint64_t patience_ns = f->table->discover.interval_ms *
	    NS_PER_MS * GONE_INTERVALS;
	const uint64_t now_ns = clock_now_ns();

	for (uint32_t i = 0; i < f->ntargets; i++) {
		const struct target *t = &f->targets[i];

		if (target_backend(t)->discovered &&
		    t->record.health == HEALTH_DOWN &&
		    now_ns - t->record.changed_ns > patience_ns)
			give_up(f, t);
	}
}

/* An address of ours that hosts answer from one of their global ones. */
static bool
is_global(const struct table *t, const struct addr *a)
{
	const struct addr loopback = { .b = { [15] = 1 } };

	return !addr_is_v4(a) && !addr_equal(a, &loopback) &&
	    !addr_is_link_local(a) && !table_is_vip(t, a);
}

/*
 * To a multicast address the call goes out once for each network, from an
 * address in it: hosts then answer from theirs in that network, and not from
 * a link-local one.  Networks may be narrower than the subnet: then all of
 * our own global addresses have to do.
 */
static void
call_multicast(struct failover *f, const struct addr *to)
{
	const struct prefix *networks = table_networks(f->table);
	const struct local_addrs *local = &f->local;
	const struct addr *from;
	bool called = false;

	for (uint32_t i = 0; i < f->table->nnetworks; i++) {
		from = local_addrs_within(local, &networks[i]);
		if (from == NULL || addr_is_v4(from))
			continue;
		(void)probe_icmp_call(f->engine, to, from);
		called = true;
	}
	for (size_t i = 0; !called && i < local->count; i++)
		if (is_global(f->table, &local->addrs[i]))
			(void)probe_icmp_call(f->engine, to, &local->addrs[i]);
}

static void
on_call(struct ev_loop *loop, ev_timer *w, int events)
{
	struct failover *f = w->data;
	const struct table_discover *d = &f->table->discover;

	(void)loop;
	(void)events;
	give_up_gone(f);
	local_addrs_free(&f->local);
	/* Without knowing who is ourselves, nobody is called. */
	if (local_addrs_read(&f->local) != 0)
		return;
	for (uint32_t i = 0; i < d->ncalls; i++) {
		if (addr_is_v4(&d->call[i]))
			(void)probe_icmp_call(f->engine, &d->call[i], NULL);
		else
			call_multicast(f, &d->call[i]);
	}
}

void
failover_discover_begin(struct failover *f)
{
	const struct table_discover *d = &f->table->discover;

	if (!f->table->failover || d->ncalls == 0)
		return;
	f->candidates = calloc(CANDIDATES, sizeof(*f->candidates));
	if (f->candidates == NULL)
		return;
	f->ncandidates = CANDIDATES;
	ev_timer_init(&f->call, on_call, SOON_S, d->interval_ms / MS_PER_S);
	f->call.data = f;
	ev_timer_start(f->loop, &f->call);
}

void
failover_discover_end(struct failover *f)
{
	if (f->ncandidates == 0)
		return;
	ev_timer_stop(f->loop, &f->call);
	for (uint32_t i = 0; i < f->ncandidates; i++)
		probe_stop(&f->candidates[i].probe);
	free(f->candidates);
	local_addrs_free(&f->local);
	f->candidates = NULL;
	f->ncandidates = 0;
}
