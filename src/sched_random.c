/*
 * sched_random.c - the policies that draw lots: random and p2c.  Called
 * through sched_pick(), without a lock.  The randomness is the caller's.
 */
#include "loaded/sched_policy.h"

/*
 * A usable member other than skip, by weight.  If the weights fall between the
 * two passes, the last one is drawn.
 */
static uint32_t
draw(const struct sched_group *g, const struct sched_client *c, uint64_t random,
    uint32_t skip)
{
	uint32_t drawn = SCHED_NONE;
	uint64_t weights = 0;

	for (uint32_t i = 0; i < g->count; i++) {
		if (i != skip && sched_member_usable(g, c, i))
			weights += sched_weight(g, i);
	}
	if (weights == 0)
		return SCHED_NONE;
	random %= weights;
	for (uint32_t i = 0; i < g->count; i++) {
		uint32_t weight;

		if (i == skip || !sched_member_usable(g, c, i))
			continue;
		drawn = i;
		weight = sched_weight(g, i);
		if (random < weight)
			break;
		random -= weight;
	}
	return drawn;
}

uint32_t
sched_pick_random(const struct sched_group *g, const struct sched_client *c)
{
	return draw(g, c, c->random, SCHED_NONE);
}

/*
 * Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001.
 * The first one wins a draw, which leaves an idle pool to the weights.  One
 * random number does for both: what the remainders by the sum and by the sum
 * less w have in common is the remainder by gcd(sum, w), and that is as likely
 * as any other within the first one's w.
 */
uint32_t
sched_pick_p2c(const struct sched_group *g, const struct sched_client *c)
{
	const uint32_t first = draw(g, c, c->random, SCHED_NONE);
	const uint32_t second = draw(g, c, c->random, first);
	struct sched_load a, b;

	if (first == SCHED_NONE || second == SCHED_NONE)
		return first;
	a = sched_flows_per_weight(g, first);
	b = sched_flows_per_weight(g, second);
	return sched_lighter(&b, &a) ? second : first;
}
