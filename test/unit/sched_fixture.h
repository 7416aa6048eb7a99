/*
 * sched_fixture.h - pools for the tests of schedulers and Maglev tables, and
 * the measure of how well their choices follow the weights.
 */
#ifndef TEST_SCHED_FIXTURE_H
#define TEST_SCHED_FIXTURE_H

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "loaded/maglev.h"
#include "loaded/sched.h"
#include "loaded/share.h"

#define NOW UINT64_C(1000000000)

static const uint8_t fixture_key[SIPHASH_KEY_LEN] = "a key for tests";

struct pool {
	struct sched_member *members;
	struct backend_state *states;
	struct sched_state *state;
	uint16_t *maglev;
	struct sched_group g;
	struct sched_client c;
	uint64_t seed;
};

static inline uint64_t
next_random(uint64_t *seed)
{
	uint64_t x = (*seed += UINT64_C(0x9e3779b97f4a7c15));

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* CK_SEED=N repeats a run. */
static inline uint64_t
fresh_seed(const char *test)
{
	const char *given = getenv("CK_SEED");
	const uint64_t seed = given != NULL ? strtoull(given, NULL, 0) :
					      (uint64_t)time(NULL);

	printf("%s: CK_SEED=%llu\n", test, (unsigned long long)seed);
	return seed;
}

static inline struct addr
addr_of(uint32_t host)
{
	return (struct addr){ .b = { [10] = 0xff,
				  [11] = 0xff,
				  (uint8_t)(host >> 24),
				  (uint8_t)(host >> 16),
				  (uint8_t)(host >> 8),
				  (uint8_t)host } };
}

static inline struct backend_state *
state_of(struct pool *p, uint32_t member)
{
	return &p->states[p->members[member].slot];
}

/* The operator's weight, and that of the config. */
static inline void
set_weight(struct pool *p, uint32_t member, uint16_t weight)
{
	p->members[member].weight = weight;
	state_of(p, member)->weight = weight;
}

static inline void
set_percent(struct pool *p, uint32_t member, uint32_t percent)
{
	state_of(p, member)->share = SHARE_FULL * percent / 100;
}

static inline void
set_down(struct pool *p, uint32_t member, bool down)
{
	state_of(p, member)->health = down ? HEALTH_DOWN : HEALTH_UP;
}

/* Slots run backwards, so that nobody takes a member for its slot. */
static inline struct pool
pool_new(uint32_t count)
{
	struct pool p = { .seed = 1 };

	p.members = calloc(count + 1, sizeof(*p.members));
	p.states = aligned_alloc(64, (count + 1) * sizeof(*p.states));
	p.state = aligned_alloc(64, sched_state_size(count));
	memset(p.states, 0, (count + 1) * sizeof(*p.states));
	memset(p.state, 0, sched_state_size(count));
	for (uint32_t i = 0; i < count; i++) {
		p.members[i].addr = addr_of(0x0a000001 + i);
		p.members[i].slot = count - i;
		backend_init(state_of(&p, i), 1, 0, 0);
		set_weight(&p, i, 1);
	}
	p.g = (struct sched_group){ .members = p.members,
		.count = count,
		.states = p.states,
		.state = p.state,
		.key = fixture_key };
	p.c = (struct sched_client){ .now_ns = NOW };
	return p;
}

static inline struct pool
pool_of(const uint16_t *weights, uint32_t count)
{
	struct pool p = pool_new(count);

	for (uint32_t i = 0; i < count; i++)
		set_weight(&p, i, weights[i]);
	return p;
}

static inline void
pool_build_maglev(struct pool *p)
{
	free(p->maglev);
	p->g.maglev_size = maglev_size(p->g.count);
	p->maglev = calloc(p->g.maglev_size, sizeof(*p->maglev));
	p->g.maglev = p->maglev;
	ck_assert_int_eq(maglev_build(p->maglev, p->g.maglev_size, p->members,
			     p->g.count, p->g.key),
	    0);
}

static inline void
pool_free(struct pool *p)
{
	free(p->members);
	free(p->states);
	free(p->state);
	free(p->maglev);
}

static inline const struct sched_ops *
ops_of(const char *name)
{
	const int number = sched_find(name);

	ck_assert_int_ge(number, 0);
	return sched_ops((unsigned int)number);
}

static inline uint32_t
pick(struct pool *p, const struct sched_ops *ops)
{
	p->c.random = next_random(&p->seed);
	return sched_pick(ops, &p->g, &p->c);
}

/* The pick for client number i of a test's clients. */
static inline uint32_t
pick_for(struct pool *p, const struct sched_ops *ops, uint32_t i)
{
	p->c.addr = addr_of(0xc6120000 + i);
	p->c.port_be = (uint16_t)(i * 7);
	return pick(p, ops);
}

/*
 * Chi-square of counts against weights, as a normal deviate (Wilson, Hilferty
 * 1931): above 5 once in three million runs.
 */
static inline double
deviation(const uint32_t *counts, const uint16_t *weights, uint32_t n)
{
	double total = 0, weight = 0, chi = 0, freedom = -1;

	for (uint32_t i = 0; i < n; i++) {
		total += counts[i];
		weight += weights[i];
		freedom += weights[i] != 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		const double want = total * weights[i] / weight;

		if (weights[i] == 0)
			ck_assert_uint_eq(counts[i], 0);
		else
			chi += (counts[i] - want) * (counts[i] - want) / want;
	}
	if (freedom < 1)
		return 0;
	return (cbrt(chi / freedom) - 1 + 2 / (9 * freedom)) /
	    sqrt(2 / (9 * freedom));
}

#endif
