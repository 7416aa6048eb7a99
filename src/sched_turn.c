/*
 * sched_turn.c - the least loaded member, with smooth weighted turns (as in
 * nginx) among equals: each one's turn grows by its weight, the largest is
 * picked and falls by the sum.  Called by policies, with the state locked.
 * Another worker may change any load between two looks at it.
 */
#include "loaded/sched_policy.h"

/*
 * With steady weights a turn stays above minus their sum, and below the sum
 * times the harmonic number of their count (a cup game), which is less than
 * this for 16384.  What lies outside is left from larger weights, and would
 * starve the others until it had run down.
 */
#define TURN_LIMIT 16

struct least {
	uint32_t member;
	struct sched_load load;
	int64_t weights; /* of all usable members */
};

static struct least
find_least(const struct sched_group *g, const struct sched_client *c,
    sched_load_fn *load)
{
	struct least least = { .member = SCHED_NONE };

	for (uint32_t i = 0; i < g->count; i++) {
		struct sched_load l;

		if (!sched_member_usable(g, c, i))
			continue;
		l = load(g, i);
		least.weights += l.weight;
		if (least.member == SCHED_NONE ||
		    sched_lighter(&l, &least.load)) {
			least.member = i;
			least.load = l;
		}
	}
	return least;
}

static int64_t
limit_turn(int64_t turn, int64_t weights)
{
	if (turn < -weights)
		return -weights;
	if (turn > TURN_LIMIT * weights)
		return TURN_LIMIT * weights;
	return turn;
}

uint32_t
sched_least(const struct sched_group *g, const struct sched_client *c,
    sched_load_fn *load)
{
	const struct least least = find_least(g, c, load);
	int64_t *turn = g->state->turn;
	uint32_t best = SCHED_NONE;
	int64_t sum = 0;

	for (uint32_t i = 0; i < g->count; i++) {
		struct sched_load l;

		if (!sched_member_usable(g, c, i))
			continue;
		l = load(g, i);
		if (sched_lighter(&least.load, &l))
			continue;
		turn[i] = limit_turn(turn[i], least.weights) + l.weight;
		sum += l.weight;
		if (best == SCHED_NONE || turn[i] > turn[best])
			best = i;
	}
	if (best == SCHED_NONE)
		return least.member;
	turn[best] -= sum;
	return best;
}
