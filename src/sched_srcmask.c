/*
 * sched_srcmask.c - the policy that reads bits of the client's address, so
 * that an operator can tell who goes where.  Called through sched_pick(),
 * without a lock.  Depends on the order of the members, on purpose.
 */
#include "loaded/sched_policy.h"

static uint32_t
low_bits(const struct addr *a)
{
	return (uint32_t)a->b[12] << 24 | (uint32_t)a->b[13] << 16 |
	    (uint32_t)a->b[14] << 8 | a->b[15];
}

static bool
has_masks(const struct sched_group *g)
{
	for (uint32_t i = 0; i < g->count; i++) {
		if (g->members[i].has_mask)
			return true;
	}
	return false;
}

static bool
matches(const struct sched_member *m, const struct addr *a)
{
	for (size_t i = 0; i < sizeof(a->b); i++) {
		if ((a->b[i] & m->mask.b[i]) != m->value.b[i])
			return false;
	}
	return true;
}

/* The first usable one with a mask that matches, or of those without. */
static uint32_t
first_usable(const struct sched_group *g, const struct sched_client *c,
    bool masked)
{
	for (uint32_t i = 0; i < g->count; i++) {
		const struct sched_member *m = &g->members[i];

		if (m->has_mask != masked || !sched_member_usable(g, c, i))
			continue;
		if (!masked || matches(m, &c->addr))
			return i;
	}
	return SCHED_NONE;
}

/* Clients of nobody else, shared out among all who can take them. */
static uint32_t
share_out(const struct sched_group *g, const struct sched_client *c)
{
	uint32_t usable = 0, member = SCHED_NONE, nth;

	for (uint32_t i = 0; i < g->count; i++)
		usable += sched_member_usable(g, c, i);
	if (usable == 0)
		return SCHED_NONE;
	nth = low_bits(&c->addr) % usable;
	for (uint32_t i = 0; i < g->count; i++) {
		if (!sched_member_usable(g, c, i))
			continue;
		member = i;
		if (nth-- == 0)
			break;
	}
	return member;
}

/*
 * A match, else a member without a mask.  In a pool without masks, a place for
 * each client, kept while its member is usable.
 */
uint32_t
sched_pick_srcmask(const struct sched_group *g, const struct sched_client *c)
{
	uint32_t member;

	if (has_masks(g)) {
		member = first_usable(g, c, true);
		if (member == SCHED_NONE)
			member = first_usable(g, c, false);
	} else {
		member = low_bits(&c->addr) % g->count;
		if (!sched_member_usable(g, c, member))
			member = SCHED_NONE;
	}
	return member != SCHED_NONE ? member : share_out(g, c);
}
