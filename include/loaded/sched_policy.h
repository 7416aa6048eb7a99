/*
 * sched_policy.h - what the policies of sched.h share; included by src/sched*.c
 * and nobody else.
 */
#ifndef LOADED_SCHED_POLICY_H
#define LOADED_SCHED_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "loaded/sched.h"

/* The load of a member is flows / weight; compared, never divided. */
struct sched_load {
	uint64_t flows;
	uint32_t weight;
};

typedef struct sched_load sched_load_fn(const struct sched_group *g,
    uint32_t member);

uint32_t sched_pick_rr(const struct sched_group *g,
    const struct sched_client *c);
uint32_t sched_pick_wrr(const struct sched_group *g,
    const struct sched_client *c);
uint32_t sched_pick_lc(const struct sched_group *g,
    const struct sched_client *c);
uint32_t sched_pick_wlc(const struct sched_group *g,
    const struct sched_client *c);
uint32_t sched_pick_sed(const struct sched_group *g,
    const struct sched_client *c);
uint32_t sched_pick_nq(const struct sched_group *g,
    const struct sched_client *c);
uint32_t sched_pick_random(const struct sched_group *g,
    const struct sched_client *c);
uint32_t sched_pick_p2c(const struct sched_group *g,
    const struct sched_client *c);
uint32_t sched_pick_sh(const struct sched_group *g,
    const struct sched_client *c);
uint32_t sched_pick_srcmask(const struct sched_group *g,
    const struct sched_client *c);
uint32_t sched_pick_mh(const struct sched_group *g,
    const struct sched_client *c);

/*
 * The usable member with the least load; among equals the weights of their
 * loads take smooth turns.  With the lock held.
 */
uint32_t sched_least(const struct sched_group *g, const struct sched_client *c,
    sched_load_fn *load);

bool sched_lighter(const struct sched_load *a, const struct sched_load *b);

/* Runtime values of a member, and the load that is made of them. */
uint32_t sched_active(const struct sched_group *g, uint32_t member);
uint32_t sched_weight(const struct sched_group *g, uint32_t member);
uint32_t sched_share(const struct sched_group *g, uint32_t member);
struct sched_load sched_flows_per_weight(const struct sched_group *g,
    uint32_t member);

/*
 * For policies that know no runtime weights: does a member with less than its
 * full share leave this flow to others?  lot: evenly spread bits, of its own
 * for each member.  If all pass, one of them has to take the flow.
 */
bool sched_passes_over(const struct sched_group *g, uint32_t member,
    uint64_t lot);

uint64_t sched_mix(uint64_t x);

#endif
