/*
 * sched_hash.c - the policies that hash the client: sh and mh.  Called through
 * sched_pick(), without a lock.  Both place clients by the configured weights
 * and step aside for members that are unusable at the moment, so a failure
 * moves the clients of the failed one and no others; less than a full share
 * moves some of them.  No choice depends on the order of the members:
 * balancers with the same key agree.
 */
#include <string.h>

#include "loaded/sched_policy.h"
#include "loaded/share.h"
#include "loaded/siphash.h"

#define MH_TRIES 16
#define SALT_SH UINT8_MAX

static uint64_t
client_hash(const struct sched_group *g, const struct sched_client *c,
    uint8_t salt)
{
	uint8_t data[sizeof(c->addr.b) + sizeof(c->port_be) + 1] = { 0 };

	memcpy(data, c->addr.b, sizeof(c->addr.b));
	if (g->hash_port)
		memcpy(data + sizeof(c->addr.b), &c->port_be,
		    sizeof(c->port_be));
	data[sizeof(data) - 1] = salt;
	return siphash24(g->key, data, sizeof(data));
}

static uint64_t
read_be64(const uint8_t bytes[static 8])
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value = value << 8 | bytes[i];
	return value;
}

/*
 * The lot that one client draws for one member.  The client's hash is secret,
 * so a plain mixer is enough for the rest.
 */
static uint64_t
draw_lot(uint64_t client, const struct sched_member *m)
{
	uint64_t lot = sched_mix(client ^ read_be64(m->addr.b + 8));

	lot = sched_mix(lot ^ read_be64(m->addr.b));
	return sched_mix(lot ^ ntohs(m->port_be));
}

/*
 * A member with half its share lets half of its clients go, always the same
 * ones.  The lot must not be the one that made them its clients.
 */
static bool
passes_over(const struct sched_group *g, const struct sched_client *c,
    uint32_t member)
{
	uint64_t lot;

	if (sched_share(g, member) == SHARE_FULL)
		return false;
	lot = draw_lot(client_hash(g, c, SALT_SH), &g->members[member]);
	return sched_passes_over(g, member, sched_mix(lot));
}

/*
 * -log2(u / 2^64) for u > 0, in units of 2^-32: the bits behind the point come
 * from squaring.  Everything cut off on the way makes the result larger.
 */
static uint64_t
minus_log2(uint64_t u)
{
	const unsigned int zeros = (unsigned int)__builtin_clzll(u);
	uint64_t mantissa = (u << zeros) >> 32;
	uint64_t log = 0;

	for (int i = 0; i < 32; i++) {
		const uint64_t square = mantissa * mantissa >> 31;
		const uint64_t bit = square >> 32;

		mantissa = square >> bit;
		log = log << 1 | bit;
	}
	return (((uint64_t)zeros + 1) << 32) - log;
}

struct bid {
	uint64_t lot;
	uint64_t cost; /* minus_log2(lot) */
	uint32_t weight;
	bool passed; /* counts only if nobody else bids */
};

static bool
beats(const struct bid *a, const struct bid *b)
{
	const uint64_t left = a->cost * b->weight;
	const uint64_t right = b->cost * a->weight;

	if (a->passed != b->passed)
		return b->passed;
	return left < right || (left == right && a->lot > b->lot);
}

/* cost is at least 1 - u: most bids are lost without the logarithm. */
static bool
is_hopeless(const struct bid *a, const struct bid *best)
{
	return !best->passed &&
	    (~a->lot >> 32) * best->weight > best->cost * a->weight;
}

/*
 * Weighted rendezvous hashing (Thaler, Ravishankar 1998; with logarithms,
 * Schindelhauer, Schomaker 2005): the usable member with the least
 * -log(lot) / weight.  Each member's bid is its own, so one more or one less
 * changes nothing between the others.
 */
static uint32_t
rendezvous(const struct sched_group *g, const struct sched_client *c)
{
	const uint64_t client = client_hash(g, c, SALT_SH);
	uint32_t member = SCHED_NONE;
	struct bid best = { .cost = 1, .passed = true }; /* loses to any */

	for (uint32_t i = 0; i < g->count; i++) {
		struct bid bid = { .weight = g->members[i].weight };

		if (bid.weight == 0)
			continue;
		bid.lot = draw_lot(client, &g->members[i]) | 1;
		if (is_hopeless(&bid, &best))
			continue;
		bid.cost = minus_log2(bid.lot);
		if (!beats(&bid, &best) || !sched_member_usable(g, c, i))
			continue;
		bid.passed = passes_over(g, c, i);
		if (beats(&bid, &best)) {
			member = i;
			best = bid;
		}
	}
	return member;
}

uint32_t
sched_pick_sh(const struct sched_group *g, const struct sched_client *c)
{
	return rendezvous(g, c);
}

/*
 * A few tries find a usable member when there are some; when they are scarce,
 * rendezvous hashing finds one without a walk through the whole table.
 */
uint32_t
sched_pick_mh(const struct sched_group *g, const struct sched_client *c)
{
	for (uint8_t i = 0; g->maglev_size != 0 && i <= MH_TRIES; i++) {
		const uint64_t hash = client_hash(g, c, i);
		const uint16_t member = g->maglev[hash % g->maglev_size];

		if (member < g->count && sched_member_usable(g, c, member) &&
		    !passes_over(g, c, member))
			return member;
	}
	return rendezvous(g, c);
}
