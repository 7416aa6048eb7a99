/*
 * test_sched_turn.c - the policies that take turns: rr and wrr to the exact
 * count, lc, wlc, sed and nq against a search through all members.
 */
#include "loaded/sched.h"

#include <pthread.h>

#include "runner.h"
#include "sched_fixture.h"

#define THREADS 4
#define PICKS 5000

START_TEST(rr_gives_everyone_a_turn_in_order)
{
	static const uint16_t weights[] = { 1, 65535, 7, 1, 300 };
	struct pool p = pool_of(weights, 5);

	for (uint32_t i = 0; i < 50; i++)
		ck_assert_uint_eq(pick(&p, ops_of("rr")), i % 5);
	pool_free(&p);
}
END_TEST

START_TEST(rr_passes_over_the_unusable)
{
	static const uint16_t weights[] = { 1, 0, 1, 1 };
	static const uint32_t want[] = { 0, 3, 0, 3, 0, 2, 3, 0 };
	const struct sched_ops *rr = ops_of("rr");
	struct pool p = pool_of(weights, 4);

	set_down(&p, 2, true);
	for (uint32_t i = 0; i < 8; i++) {
		if (i == 5)
			set_down(&p, 2, false);
		ck_assert_uint_eq(pick(&p, rr), want[i]);
	}
	pool_free(&p);
}
END_TEST

START_TEST(rr_survives_a_turn_that_is_out_of_range)
{
	struct pool p = pool_new(3);

	p.state->next = UINT32_MAX;
	ck_assert_uint_eq(pick(&p, ops_of("rr")), 0);
	pool_free(&p);
}
END_TEST

static const struct turns_case {
	uint16_t weights[6];
	uint32_t count;
	uint32_t period; /* sum / gcd */
} turns_cases[] = {
	{ { 5, 1, 1 }, 3, 7 },
	{ { 1, 1, 1, 1 }, 4, 4 },
	{ { 2, 4, 6 }, 3, 6 },
	{ { 0, 3, 0, 1 }, 4, 4 },
	{ { 1, 2, 3, 5, 7, 11 }, 6, 29 },
	{ { 100, 1 }, 2, 101 },
	{ { 65535, 65535, 65535 }, 3, 3 },
	{ { 65535, 1 }, 2, 65536 },
	{ { 999, 333, 666, 1 }, 4, 1999 },
};

/* Any window of one period holds each member weight / gcd times. */
static void
check_windows(struct pool *p, const struct turns_case *tc)
{
	const uint32_t length = 2 * tc->period + 100;
	uint32_t *picks = calloc(length, sizeof(*picks));
	uint32_t counts[6] = { 0 }, weights = 0;

	for (uint32_t i = 0; i < tc->count; i++)
		weights += tc->weights[i];
	for (uint32_t n = 0; n < length; n++) {
		picks[n] = pick(p, ops_of("wrr"));
		counts[picks[n]]++;
		if (n >= tc->period)
			counts[picks[n - tc->period]]--;
		for (uint32_t i = 0; n + 1 >= tc->period && i < tc->count; i++)
			ck_assert_uint_eq(counts[i],
			    tc->weights[i] * (uint64_t)tc->period / weights);
	}
	free(picks);
}

START_TEST(wrr_is_exact_in_every_window_of_a_period)
{
	struct pool p = pool_of(turns_cases[_i].weights, turns_cases[_i].count);

	check_windows(&p, &turns_cases[_i]);
	pool_free(&p);
}
END_TEST

START_TEST(wrr_is_smooth)
{
	static const uint16_t weights[] = { 5, 1, 1 };
	static const uint32_t want[] = { 0, 0, 1, 0, 2, 0, 0 };
	struct pool p = pool_of(weights, 3);

	for (uint32_t i = 0; i < 70; i++)
		ck_assert_uint_eq(pick(&p, ops_of("wrr")), want[i % 7]);
	pool_free(&p);
}
END_TEST

START_TEST(wrr_is_exact_with_two_thousand_random_weights)
{
	uint64_t seed = fresh_seed("wrr_is_exact_with_two_thousand");
	struct pool p = pool_new(2000);
	uint32_t counts[2000] = { 0 }, weights = 0;

	for (uint32_t i = 0; i < 2000; i++) {
		set_weight(&p, i, (uint16_t)(next_random(&seed) % 6));
		weights += p.members[i].weight;
	}
	for (uint32_t i = 0; i < weights; i++)
		counts[pick(&p, ops_of("wrr"))]++;
	for (uint32_t i = 0; i < 2000; i++)
		ck_assert_uint_eq(counts[i], p.members[i].weight);
	pool_free(&p);
}
END_TEST

START_TEST(wrr_follows_new_weights_at_once)
{
	static const uint16_t weights[] = { 65535, 60000, 1, 30000 };
	uint32_t counts[4] = { 0 };
	struct pool p = pool_of(weights, 4);

	for (uint32_t i = 0; i < 50001; i++)
		pick(&p, ops_of("wrr"));
	for (uint32_t i = 0; i < 4; i++)
		set_weight(&p, i, 1);
	for (uint32_t i = 0; i < 400; i++)
		counts[pick(&p, ops_of("wrr"))]++;
	for (uint32_t i = 0; i < 4; i++) {
		ck_assert_uint_ge(counts[i], 80);
		ck_assert_uint_le(counts[i], 120);
	}
	pool_free(&p);
}
END_TEST

START_TEST(wrr_shares_the_turns_of_a_failed_member)
{
	static const uint16_t weights[] = { 3, 2, 1 };
	uint32_t counts[3] = { 0 };
	struct pool p = pool_of(weights, 3);

	for (uint32_t i = 0; i < 4; i++)
		pick(&p, ops_of("wrr"));
	set_down(&p, 1, true);
	for (uint32_t i = 0; i < 400; i++)
		counts[pick(&p, ops_of("wrr"))]++;
	ck_assert_uint_eq(counts[1], 0);
	ck_assert_uint_ge(counts[2], 98);
	ck_assert_uint_le(counts[2], 102);
	set_down(&p, 1, false);
	memset(counts, 0, sizeof(counts));
	for (uint32_t i = 0; i < 600; i++)
		counts[pick(&p, ops_of("wrr"))]++;
	ck_assert_uint_ge(counts[1], 196);
	ck_assert_uint_le(counts[1], 204);
	pool_free(&p);
}
END_TEST

static const char *const least_names[] = { "lc", "wlc", "sed", "nq" };

/* The measures again, in floating point and in words of their own. */
static double
oracle_load(const char *name, uint32_t active, uint32_t weight)
{
	if (strcmp(name, "lc") == 0)
		return active;
	if (strcmp(name, "wlc") == 0)
		return (double)active / weight;
	if (strcmp(name, "nq") == 0 && active == 0)
		return 0;
	return ((double)active + 1) / weight;
}

static double
load_of(struct pool *p, const char *name, uint32_t member)
{
	const struct backend_state *b = state_of(p, member);

	return oracle_load(name, b->active, b->weight);
}

static void
check_least(struct pool *p, const char *name)
{
	const uint32_t member = pick(p, ops_of(name));

	if (member == SCHED_NONE) {
		for (uint32_t i = 0; i < p->g.count; i++)
			ck_assert(!backend_usable(state_of(p, i), false, NOW));
		return;
	}
	for (uint32_t i = 0; i < p->g.count; i++) {
		if (backend_usable(state_of(p, i), false, NOW))
			ck_assert_double_le(load_of(p, name, member),
			    load_of(p, name, i));
	}
}

START_TEST(least_loaded_is_what_a_full_search_finds)
{
	const char *name = least_names[_i];
	uint64_t seed = fresh_seed(name);

	for (int round = 0; round < 5000; round++) {
		struct pool p = pool_new((uint32_t)(next_random(&seed) % 12));
		const uint64_t shift = next_random(&seed) % 33;

		for (uint32_t i = 0; i < p.g.count; i++) {
			set_weight(&p, i,
			    (uint16_t)(next_random(&seed) >>
				next_random(&seed) % 64));
			state_of(&p, i)->active =
			    (uint32_t)((next_random(&seed) & UINT32_MAX) >>
				shift);
			set_down(&p, i, next_random(&seed) % 8 == 0);
		}
		for (int i = 0; i < 3; i++)
			check_least(&p, name);
		pool_free(&p);
	}
}
END_TEST

START_TEST(an_idle_pool_still_rotates)
{
	static const uint16_t weights[] = { 4, 4, 4, 4 };
	struct pool p = pool_of(weights, 4);

	for (uint32_t i = 0; i < 40; i++)
		ck_assert_uint_eq(pick(&p, ops_of(least_names[_i])), i % 4);
	pool_free(&p);
}
END_TEST

/* lc, wlc, sed, nq: who gets how much while nobody has a flow. */
START_TEST(an_idle_pool_follows_the_measure)
{
	static const uint32_t want[4][3] = { { 20, 20, 20 }, { 30, 20, 10 },
		{ 60, 0, 0 }, { 30, 20, 10 } };
	static const uint16_t weights[] = { 3, 2, 1 };
	uint32_t counts[3] = { 0 };
	struct pool p = pool_of(weights, 3);

	for (uint32_t i = 0; i < 60; i++)
		counts[pick(&p, ops_of(least_names[_i]))]++;
	ck_assert_mem_eq(counts, want[_i], sizeof(counts));
	pool_free(&p);
}
END_TEST

START_TEST(ties_among_the_loaded_take_turns)
{
	static const uint32_t active[] = { 9, 2, 9, 2, 2 };
	struct pool p = pool_new(5);
	uint32_t counts[5] = { 0 };

	for (uint32_t i = 0; i < 5; i++)
		state_of(&p, i)->active = active[i];
	for (uint32_t i = 0; i < 30; i++)
		counts[pick(&p, ops_of(least_names[_i]))]++;
	for (uint32_t i = 0; i < 5; i++)
		ck_assert_uint_eq(counts[i], active[i] == 2 ? 10 : 0);
	pool_free(&p);
}
END_TEST

START_TEST(flows_that_stay_end_up_as_the_weights_say)
{
	static const uint16_t weights[] = { 50, 30, 15, 5, 0 };
	const bool weighted = strcmp(least_names[_i], "lc") != 0;
	struct pool p = pool_of(weights, 5);

	for (int i = 0; i < 10000; i++)
		ck_assert(backend_take(
		    state_of(&p, pick(&p, ops_of(least_names[_i]))), NOW));
	for (uint32_t i = 0; i < 5; i++) {
		const uint32_t want = weights[i] == 0 ? 0 :
		    weighted                          ? 100U * weights[i] :
							2500;

		ck_assert_uint_le(state_of(&p, i)->active, want + 2);
		ck_assert_uint_ge(state_of(&p, i)->active + 2, want);
	}
	pool_free(&p);
}
END_TEST

START_TEST(nq_prefers_the_idle_to_the_fast)
{
	static const uint16_t weights[] = { 1000, 1 };
	struct pool p = pool_of(weights, 2);

	state_of(&p, 0)->active = 1;
	ck_assert_uint_eq(pick(&p, ops_of("nq")), 1);
	ck_assert_uint_eq(pick(&p, ops_of("sed")), 0);
	state_of(&p, 1)->active = 1;
	ck_assert_uint_eq(pick(&p, ops_of("nq")), 0);
	pool_free(&p);
}
END_TEST

static void *
pick_many(void *arg)
{
	struct pool p = *(struct pool *)arg;

	for (int i = 0; i < PICKS; i++) {
		struct backend_state *b = state_of(&p, pick(&p, ops_of("wrr")));

		ck_assert(backend_take(b, NOW));
	}
	return NULL;
}

START_TEST(threads_share_one_sequence_of_turns)
{
	static const uint16_t weights[] = { 5, 3, 2 };
	struct pool p = pool_of(weights, 3);
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(
		    pthread_create(&threads[i], NULL, pick_many, &p), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_uint_eq(state_of(&p, i)->active,
		    THREADS * PICKS / 10 * weights[i]);
	pool_free(&p);
}
END_TEST

static TCase *
turns(void)
{
	TCase *tc = tcase_create("turns");

	tcase_add_test(tc, rr_gives_everyone_a_turn_in_order);
	tcase_add_test(tc, rr_passes_over_the_unusable);
	tcase_add_test(tc, rr_survives_a_turn_that_is_out_of_range);
	tcase_add_loop_test(tc, wrr_is_exact_in_every_window_of_a_period, 0,
	    sizeof(turns_cases) / sizeof(turns_cases[0]));
	tcase_add_test(tc, wrr_is_smooth);
	tcase_add_test(tc, wrr_is_exact_with_two_thousand_random_weights);
	tcase_add_test(tc, wrr_follows_new_weights_at_once);
	tcase_add_test(tc, wrr_shares_the_turns_of_a_failed_member);
	tcase_add_test(tc, threads_share_one_sequence_of_turns);
	tcase_set_timeout(tc, 60);
	return tc;
}

static TCase *
least(void)
{
	TCase *tc = tcase_create("least");

	tcase_add_loop_test(tc, least_loaded_is_what_a_full_search_finds, 0, 4);
	tcase_add_loop_test(tc, an_idle_pool_still_rotates, 0, 4);
	tcase_add_loop_test(tc, an_idle_pool_follows_the_measure, 0, 4);
	tcase_add_loop_test(tc, ties_among_the_loaded_take_turns, 0, 4);
	tcase_add_loop_test(tc, flows_that_stay_end_up_as_the_weights_say, 0,
	    4);
	tcase_add_test(tc, nq_prefers_the_idle_to_the_fast);
	tcase_set_timeout(tc, 60);
	return tc;
}

int
main(void)
{
	Suite *suite = suite_create("sched_turn");

	suite_add_tcase(suite, turns());
	suite_add_tcase(suite, least());
	return run_suite(suite);
}
