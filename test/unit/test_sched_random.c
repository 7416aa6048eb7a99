/*
 * test_sched_random.c - random and p2c: lots follow the weights, and of two
 * the less loaded one wins.
 */
#include "loaded/sched.h"

#include "runner.h"
#include "sched_fixture.h"

#define PICKS 100000

static const char *const lot_names[] = { "random", "p2c" };

static const struct weights_case {
	uint16_t weights[6];
	uint32_t count;
} weights_cases[] = {
	{ { 1, 1 }, 2 },
	{ { 1, 1, 1 }, 3 },
	{ { 1, 2, 3, 4, 5, 6 }, 6 },
	{ { 65535, 65535, 65535 }, 3 },
	{ { 1000, 1, 0, 500 }, 4 },
	{ { 85, 170, 0, 0, 255, 1 }, 6 },
};

/* Idle members are all equal, so p2c keeps its first draw. */
START_TEST(lots_follow_the_weights)
{
	const struct weights_case *wc = &weights_cases[_i / 2];
	uint32_t counts[6] = { 0 };
	struct pool p = pool_of(wc->weights, wc->count);

	p.seed = fresh_seed("lots_follow_the_weights");
	for (int i = 0; i < PICKS; i++)
		counts[pick(&p, ops_of(lot_names[_i % 2]))]++;
	ck_assert_double_lt(deviation(counts, wc->weights, wc->count), 5);
	pool_free(&p);
}
END_TEST

START_TEST(lots_follow_the_weights_of_two_thousand)
{
	struct pool p = pool_new(2000);
	uint16_t weights[2000];
	uint32_t counts[2000] = { 0 };

	p.seed = fresh_seed("lots_follow_the_weights_of_two_thousand");
	for (uint32_t i = 0; i < 2000; i++) {
		weights[i] = (uint16_t)(i % 7);
		set_weight(&p, i, weights[i]);
	}
	for (int i = 0; i < 20000; i++)
		counts[pick(&p, ops_of("random"))]++;
	ck_assert_double_lt(deviation(counts, weights, 2000), 5);
	pool_free(&p);
}
END_TEST

START_TEST(the_rest_follow_their_weights_when_one_fails)
{
	static const uint16_t weights[] = { 4, 9, 3, 2 };
	static const uint16_t rest[] = { 4, 0, 3, 2 };
	uint32_t counts[4] = { 0 };
	struct pool p = pool_of(weights, 4);

	p.seed = fresh_seed("the_rest_follow_their_weights_when_one_fails");
	set_down(&p, 1, true);
	for (int i = 0; i < PICKS; i++)
		counts[pick(&p, ops_of(lot_names[_i]))]++;
	ck_assert_double_lt(deviation(counts, rest, 4), 5);
	pool_free(&p);
}
END_TEST

START_TEST(p2c_takes_the_less_loaded_of_two)
{
	static const uint16_t weights[] = { 10, 1 };
	struct pool p = pool_of(weights, 2);

	state_of(&p, 0)->active = 100;
	state_of(&p, 1)->active = 9;
	for (int i = 0; i < 100; i++)
		ck_assert_uint_eq(pick(&p, ops_of("p2c")), 1);
	state_of(&p, 1)->active = 11;
	for (int i = 0; i < 100; i++)
		ck_assert_uint_eq(pick(&p, ops_of("p2c")), 0);
	pool_free(&p);
}
END_TEST

START_TEST(p2c_never_picks_the_most_loaded)
{
	struct pool p = pool_new(3);

	p.seed = fresh_seed("p2c_never_picks_the_most_loaded");
	state_of(&p, 1)->active = 5;
	for (int i = 0; i < 10000; i++)
		ck_assert_uint_ne(pick(&p, ops_of("p2c")), 1);
	pool_free(&p);
}
END_TEST

/* An idle one wins whenever it is one of the two, first or second. */
START_TEST(p2c_draws_both_by_weight)
{
	static const uint16_t weights[] = { 4, 1, 6, 5, 2 };
	const double sum = 18, own = weights[_i];
	struct pool p = pool_of(weights, 5);
	double want = own / sum, found = 0;

	p.seed = fresh_seed("p2c_draws_both_by_weight");
	for (uint32_t i = 0; i < 5; i++) {
		if (i == (uint32_t)_i)
			continue;
		state_of(&p, i)->active = 100;
		want += weights[i] / sum * own / (sum - weights[i]);
	}
	for (int i = 0; i < PICKS; i++)
		found += pick(&p, ops_of("p2c")) == (uint32_t)_i;
	ck_assert_double_lt(fabs(found - PICKS * want),
	    5.2 * sqrt(PICKS * want * (1 - want)));
	pool_free(&p);
}
END_TEST

START_TEST(p2c_keeps_the_imbalance_small)
{
	uint32_t most = 0, least = UINT32_MAX;
	struct pool p = pool_new(100);

	p.seed = fresh_seed("p2c_keeps_the_imbalance_small");
	for (int i = 0; i < 50000; i++)
		ck_assert(backend_take(state_of(&p, pick(&p, ops_of("p2c"))),
		    NOW));
	for (uint32_t i = 0; i < 100; i++) {
		const uint32_t active = state_of(&p, i)->active;

		most = active > most ? active : most;
		least = active < least ? active : least;
	}
	printf("p2c: 500 flows each of 100: from %u to %u\n", least, most);
	ck_assert_uint_le(most, 506);
	ck_assert_uint_ge(least, 485);
	pool_free(&p);
}
END_TEST

START_TEST(p2c_follows_the_weights_under_load)
{
	static const uint16_t weights[] = { 40, 30, 20, 10 };
	struct pool p = pool_of(weights, 4);

	p.seed = fresh_seed("p2c_follows_the_weights_under_load");
	for (int i = 0; i < 10000; i++)
		ck_assert(backend_take(state_of(&p, pick(&p, ops_of("p2c"))),
		    NOW));
	for (uint32_t i = 0; i < 4; i++) {
		ck_assert_uint_le(state_of(&p, i)->active, weights[i] * 105U);
		ck_assert_uint_ge(state_of(&p, i)->active, weights[i] * 95U);
	}
	pool_free(&p);
}
END_TEST

int
main(void)
{
	const int ncases = sizeof(weights_cases) / sizeof(weights_cases[0]);
	Suite *suite = suite_create("sched_random");
	TCase *lots = tcase_create("lots"), *p2c = tcase_create("p2c");

	tcase_add_loop_test(lots, lots_follow_the_weights, 0, 2 * ncases);
	tcase_add_test(lots, lots_follow_the_weights_of_two_thousand);
	tcase_add_loop_test(lots, the_rest_follow_their_weights_when_one_fails,
	    0, 2);
	tcase_add_test(p2c, p2c_takes_the_less_loaded_of_two);
	tcase_add_test(p2c, p2c_never_picks_the_most_loaded);
	tcase_add_loop_test(p2c, p2c_draws_both_by_weight, 0, 5);
	tcase_add_test(p2c, p2c_keeps_the_imbalance_small);
	tcase_add_test(p2c, p2c_follows_the_weights_under_load);
	tcase_set_timeout(lots, 60);
	tcase_set_timeout(p2c, 60);
	suite_add_tcase(suite, lots);
	suite_add_tcase(suite, p2c);
	return run_suite(suite);
}
