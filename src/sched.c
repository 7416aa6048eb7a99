/*
 * sched.c - the table of policies and what they have in common.  Pure; called
 * by workers for each new flow, O(members) at most.  A policy that keeps turns
 * runs under the lock of its state; the others take no lock.
 */
#include "loaded/sched.h"

#include <string.h>

#include "loaded/sched_policy.h"
#include "loaded/share.h"

_Static_assert(UINT64_C(65535) * SHARE_MAX < UINT64_C(1) << 30,
    "loads are compared by products of 64 bits");

/* Numbers are positions in here. */
static const struct sched_ops policies[] = {
	{ .name = "rr",
	    .help = "turns, whatever the weights",
	    .turns = true,
	    .pick = sched_pick_rr },
	{ .name = "wrr",
	    .help = "turns in proportion to the weights",
	    .turns = true,
	    .pick = sched_pick_wrr },
	{ .name = "lc",
	    .help = "fewest active flows",
	    .turns = true,
	    .pick = sched_pick_lc },
	{ .name = "wlc",
	    .help = "fewest active flows for the weight",
	    .turns = true,
	    .pick = sched_pick_wlc },
	{ .name = "sed",
	    .help = "shortest expected delay",
	    .turns = true,
	    .pick = sched_pick_sed },
	{ .name = "nq",
	    .help = "an idle backend, else as sed",
	    .turns = true,
	    .pick = sched_pick_nq },
	{ .name = "random",
	    .help = "weighted random",
	    .pick = sched_pick_random },
	{ .name = "p2c",
	    .help = "the less loaded of two random ones",
	    .pick = sched_pick_p2c },
	{ .name = "sh",
	    .help = "hash of the client's address",
	    .consistent = true,
	    .pick = sched_pick_sh },
	{ .name = "srcmask",
	    .help = "bits of the client's address",
	    .consistent = true,
	    .pick = sched_pick_srcmask },
	{ .name = "mh",
	    .help = "hash of the client, in a Maglev table",
	    .consistent = true,
	    .needs_maglev = true,
	    .hash_port = true,
	    .pick = sched_pick_mh },
};

const struct sched_ops *
sched_ops(unsigned int number)
{
	return &policies[number];
}

unsigned int
sched_count(void)
{
	return sizeof(policies) / sizeof(policies[0]);
}

int
sched_find(const char *name)
{
	for (unsigned int i = 0; i < sched_count(); i++) {
		if (strcmp(policies[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

size_t
sched_state_size(uint32_t members)
{
	const size_t align = alignof(struct sched_state);
	const size_t size = offsetof(struct sched_state, turn) +
	    members * sizeof(int64_t);

	return (size + align - 1) / align * align;
}

uint32_t
sched_pick(const struct sched_ops *ops, const struct sched_group *g,
    const struct sched_client *c)
{
	uint32_t member;

	if (g->count == 0)
		return SCHED_NONE;
	if (!ops->turns)
		return ops->pick(g, c);
	spin_lock(&g->state->lock);
	member = ops->pick(g, c);
	spin_unlock(&g->state->lock);
	return member;
}

bool
sched_member_usable(const struct sched_group *g, const struct sched_client *c,
    uint32_t member)
{
	for (uint32_t i = 0; i < c->nexcluded; i++) {
		if (c->excluded[i] == member)
			return false;
	}
	return backend_usable(&g->states[g->members[member].slot], c->panic,
	    c->now_ns);
}

uint32_t
sched_active(const struct sched_group *g, uint32_t member)
{
	const struct backend_state *b = &g->states[g->members[member].slot];

	return atomic_load_explicit(&b->active, memory_order_relaxed);
}

uint32_t
sched_weight(const struct sched_group *g, uint32_t member)
{
	const struct backend_state *b = &g->states[g->members[member].slot];

	return backend_weight(b);
}

uint32_t
sched_share(const struct sched_group *g, uint32_t member)
{
	const struct backend_state *b = &g->states[g->members[member].slot];
	const uint32_t share = atomic_load_explicit(&b->share,
	    memory_order_relaxed);

	return share < SHARE_FULL ? share : SHARE_FULL;
}

/* What is compared with the share is the lot's last ten bits. */
bool
sched_passes_over(const struct sched_group *g, uint32_t member, uint64_t lot)
{
	return lot % SHARE_FULL >= sched_share(g, member);
}

/* A bijection that spreads each bit of x over all (splitmix64). */
uint64_t
sched_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

struct sched_load
sched_flows_per_weight(const struct sched_group *g, uint32_t member)
{
	return (struct sched_load){ .flows = sched_active(g, member),
		.weight = sched_weight(g, member) };
}

/* 32 bits and one times 30 bits: the products fit. */
bool
sched_lighter(const struct sched_load *a, const struct sched_load *b)
{
	return a->flows * b->weight < b->flows * a->weight;
}
