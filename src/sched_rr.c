/*
 * sched_rr.c - the policies that only take turns: rr and wrr.  Called through
 * sched_pick(), with the state locked.
 */
#include "loaded/sched_policy.h"

uint32_t
sched_pick_rr(const struct sched_group *g, const struct sched_client *c)
{
	uint32_t member = g->state->next;

	for (uint32_t i = 0; i < g->count; i++, member++) {
		if (member >= g->count)
			member = 0;
		if (!sched_member_usable(g, c, member))
			continue;
		g->state->next = member + 1;
		return member;
	}
	return SCHED_NONE;
}

/* All equal in load: the turns alone decide. */
static struct sched_load
no_load(const struct sched_group *g, uint32_t member)
{
	return (struct sched_load){ .weight = sched_weight(g, member) };
}

uint32_t
sched_pick_wrr(const struct sched_group *g, const struct sched_client *c)
{
	return sched_least(g, c, no_load);
}
