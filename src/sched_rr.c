/*
 * sched_rr.c - the policies that only take turns: rr and wrr.  Called through
 * sched_pick(), with the state locked.
 */
#include "loaded/sched_policy.h"

#define RR_ROUNDS 8

/*
 * One way round from the member whose turn it is.  The first that could take
 * the flow but passes is *passed, if it is SCHED_NONE yet.
 */
static uint32_t
go_round(const struct sched_group *g, const struct sched_client *c,
    uint64_t lots, uint32_t *passed)
{
	uint32_t member = g->state->next;

	for (uint32_t i = 0; i < g->count; i++, member++) {
		if (member >= g->count)
			member = 0;
		if (!sched_member_usable(g, c, member))
			continue;
		if (!sched_passes_over(g, member, sched_mix(lots + member)))
			return member;
		if (*passed == SCHED_NONE)
			*passed = member;
	}
	return SCHED_NONE;
}

/*
 * A member with half its share takes every other turn.  When all pass, they
 * are asked again: the first one's turn would be worth more than the others'.
 */
uint32_t
sched_pick_rr(const struct sched_group *g, const struct sched_client *c)
{
	uint32_t member = SCHED_NONE, passed = SCHED_NONE;

	for (uint64_t i = 0; i < RR_ROUNDS && member == SCHED_NONE; i++) {
		member = go_round(g, c, sched_mix(c->random + i), &passed);
		if (passed == SCHED_NONE)
			break;
	}
	if (member == SCHED_NONE)
		member = passed;
	if (member != SCHED_NONE)
		g->state->next = member + 1;
	return member;
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
