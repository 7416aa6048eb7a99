/*
 * sched_lc.c - the policies that count active flows: lc, wlc, sed and nq.
 * Each is a measure of load; equals take turns, so that a pool whose flows are
 * too short to be counted still shares them.  Called through sched_pick(),
 * with the state locked.
 */
#include "loaded/sched_policy.h"

/*
 * The share counts as a weight.  To pass a member over now and then would do
 * nothing: having the fewest flows, it would be picked at the next chance.
 */
static struct sched_load
flows(const struct sched_group *g, uint32_t member)
{
	return (struct sched_load){ .flows = sched_active(g, member),
		.weight = sched_share(g, member) };
}

uint32_t
sched_pick_lc(const struct sched_group *g, const struct sched_client *c)
{
	return sched_least(g, c, flows);
}

uint32_t
sched_pick_wlc(const struct sched_group *g, const struct sched_client *c)
{
	return sched_least(g, c, sched_flows_per_weight);
}

/* The load it would have with the new flow. */
static struct sched_load
delay(const struct sched_group *g, uint32_t member)
{
	struct sched_load load = sched_flows_per_weight(g, member);

	load.flows++;
	return load;
}

uint32_t
sched_pick_sed(const struct sched_group *g, const struct sched_client *c)
{
	return sched_least(g, c, delay);
}

/* Idle ones are all alike, and before the fastest of the others. */
static struct sched_load
queue_or_delay(const struct sched_group *g, uint32_t member)
{
	struct sched_load load = sched_flows_per_weight(g, member);

	if (load.flows != 0)
		load.flows++;
	return load;
}

uint32_t
sched_pick_nq(const struct sched_group *g, const struct sched_client *c)
{
	return sched_least(g, c, queue_or_delay);
}
