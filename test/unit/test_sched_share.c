/*
 * test_sched_share.c - a backend with less, or more, than its full share: what
 * each policy gives it, measured, and who stays where they were.
 */
#include "loaded/sched.h"

#include "runner.h"
#include "sched_fixture.h"

#define PICKS 40000
#define MEMBERS 4
#define THINNED 1
#define POLICIES 11

static const char *const names[POLICIES] = { "rr", "wrr", "lc", "wlc", "sed",
	"nq", "random", "p2c", "sh", "srcmask", "mh" };

static const uint32_t percents[] = { 25, 50, 100 };

static bool
is_one_of(const char *name, const char *list)
{
	const char *found = strstr(list, name);

	return found != NULL &&
	    (found[strlen(name)] == ' ' || found[strlen(name)] == '\0') &&
	    (found == list || found[-1] == ' ');
}

/*
 * What the one member gets of all, next to three with their full share.  In an
 * idle pool sed goes to the largest weight alone, and srcmask is a partition.
 */
static double
fair_part(const char *name, uint32_t percent)
{
	const double share = percent / 100.0;

	if (is_one_of(name, "srcmask") || percent == 100)
		return 1.0 / MEMBERS;
	if (is_one_of(name, "sed"))
		return percent > 100;
	if (is_one_of(name, "sh mh"))
		return share / MEMBERS;
	return share / (MEMBERS - 1 + share);
}

static struct pool
thinned_pool(const char *test, uint32_t percent)
{
	struct pool p = pool_new(MEMBERS);

	p.seed = fresh_seed(test);
	pool_build_maglev(&p);
	set_percent(&p, THINNED, percent);
	return p;
}

static double
deviation_of(uint32_t count, double part)
{
	const double sigma = sqrt(PICKS * part * (1 - part));

	return fabs(count - PICKS * part) / (sigma < 1 ? 1 : sigma);
}

/* sigma of 5.2 is passed once in five million runs. */
START_TEST(a_share_is_what_a_member_gets_of_idle_backends)
{
	const char *name = names[_i % POLICIES];
	const uint32_t percent = percents[_i / POLICIES];
	struct pool p = thinned_pool(name, percent);
	uint32_t counts[MEMBERS] = { 0 };

	for (uint32_t i = 0; i < PICKS; i++)
		counts[pick_for(&p, ops_of(name),
		    (uint32_t)next_random(&p.seed))]++;
	printf("%-8s %3u %% of one in %u: %.3f\n", name, percent, MEMBERS,
	    (double)counts[THINNED] / PICKS);
	ck_assert_double_lt(
	    deviation_of(counts[THINNED], fair_part(name, percent)), 5.2);
	for (uint32_t i = 0; i < MEMBERS; i++) {
		const double part = (1 - fair_part(name, percent)) /
		    (MEMBERS - 1);

		if (i != THINNED)
			ck_assert_double_lt(deviation_of(counts[i], part), 5.2);
	}
	pool_free(&p);
}
END_TEST

/* Those that count flows see to it that flows are held in that proportion. */
START_TEST(a_share_is_what_a_member_holds_of_flows_that_stay)
{
	static const char *const counting[] = { "lc", "wlc", "sed", "nq",
		"p2c" };
	const char *name = counting[_i % 5];
	const uint32_t percent = percents[_i / 5];
	struct pool p = thinned_pool(name, percent);
	const double part = percent / 100.0 / (MEMBERS - 1 + percent / 100.0);

	for (uint32_t i = 0; i < PICKS; i++)
		ck_assert(backend_take(
		    state_of(&p, pick_for(&p, ops_of(name), i)), NOW));
	ck_assert_double_lt(fabs(state_of(&p, THINNED)->active - PICKS * part),
	    PICKS / 100.0);
	pool_free(&p);
}
END_TEST

START_TEST(members_of_unequal_shares_are_as_unequal)
{
	static const char *const inexact[] = { "rr", "wrr", "lc", "wlc",
		"random", "p2c" };
	static const uint16_t weights[] = { 50, 25, 75, 25 };
	struct pool p = thinned_pool(inexact[_i], 25);
	uint32_t counts[MEMBERS] = { 0 };

	for (uint32_t i = 0; i < MEMBERS; i++)
		set_percent(&p, i, weights[i]);
	for (uint32_t i = 0; i < PICKS; i++)
		counts[pick(&p, ops_of(inexact[_i]))]++;
	/* rr: what is left when all have passed eight times is not shared. */
	ck_assert_double_lt(deviation(counts, weights, MEMBERS), 5);
	pool_free(&p);
}
END_TEST

START_TEST(weighted_policies_give_more_than_a_full_share)
{
	static const char *const weighted[] = { "wrr", "wlc", "nq", "random",
		"p2c" };
	static const uint16_t weights[] = { 1, 10, 1, 1 };
	struct pool p = thinned_pool(weighted[_i], 1000);
	uint32_t counts[MEMBERS] = { 0 };

	for (uint32_t i = 0; i < PICKS; i++)
		counts[pick(&p, ops_of(weighted[_i]))]++;
	ck_assert_double_lt(deviation(counts, weights, MEMBERS), 5);
	pool_free(&p);
}
END_TEST

START_TEST(unweighted_policies_know_no_more_than_a_full_share)
{
	static const char *const unweighted[] = { "rr", "lc", "srcmask" };
	struct pool p = thinned_pool(unweighted[_i], 1000);

	for (uint32_t i = 0; i < 1000; i++)
		ck_assert_uint_eq(pick_for(&p, ops_of(unweighted[_i]), i),
		    i % MEMBERS);
	pool_free(&p);
}
END_TEST

START_TEST(the_smallest_share_is_still_used_when_it_is_alone)
{
	const struct sched_ops *ops = ops_of(names[_i]);
	struct pool p = thinned_pool(names[_i], 100);

	state_of(&p, THINNED)->share = 1;
	for (uint32_t i = 0; i < MEMBERS; i++)
		set_down(&p, i, i != THINNED);
	for (uint32_t i = 0; i < 300; i++)
		ck_assert_uint_eq(pick_for(&p, ops, i), THINNED);
	pool_free(&p);
}
END_TEST

START_TEST(a_pool_of_the_smallest_shares_is_shared_evenly)
{
	static const uint16_t weights[] = { 1, 1, 1, 1 };
	const struct sched_ops *ops = ops_of(names[_i]);
	struct pool p = thinned_pool(names[_i], 100);
	uint32_t counts[MEMBERS] = { 0 };

	for (uint32_t i = 0; i < MEMBERS; i++)
		state_of(&p, i)->share = 1;
	for (uint32_t i = 0; i < PICKS; i++)
		counts[pick_for(&p, ops, (uint32_t)next_random(&p.seed))]++;
	ck_assert_double_lt(deviation(counts, weights, MEMBERS), 5);
	pool_free(&p);
}
END_TEST

START_TEST(no_share_means_no_flow)
{
	const struct sched_ops *ops = ops_of(names[_i]);
	struct pool p = thinned_pool(names[_i], 0);

	for (uint32_t i = 0; i < 1000; i++)
		ck_assert_uint_ne(pick_for(&p, ops, i), THINNED);
	for (uint32_t i = 0; i < MEMBERS; i++)
		set_percent(&p, i, 0);
	ck_assert_uint_eq(pick(&p, ops), SCHED_NONE);
	pool_free(&p);
}
END_TEST

START_TEST(in_a_panic_the_dead_are_picked_and_the_drained_are_not)
{
	const struct sched_ops *ops = ops_of(names[_i]);
	struct pool p = thinned_pool(names[_i], 100);
	uint32_t seen = 0;

	for (uint32_t i = 0; i < MEMBERS; i++)
		set_down(&p, i, true);
	state_of(&p, 0)->admin = ADMIN_DRAIN;
	ck_assert_uint_eq(pick(&p, ops), SCHED_NONE);
	p.c.panic = true;
	for (uint32_t i = 0; i < 300; i++) {
		const uint32_t member = pick_for(&p, ops, i);

		ck_assert_uint_ne(member, 0);
		ck_assert_uint_lt(member, MEMBERS);
		seen |= 1U << member;
		/* The flows stay, so that sed and lc come round, too. */
		ck_assert(backend_take(state_of(&p, member), NOW));
	}
	ck_assert_uint_eq(seen, 0xe);
	pool_free(&p);
}
END_TEST

static const char *const hash_names[] = { "sh", "mh" };

static uint32_t *
picks_of(struct pool *p, const struct sched_ops *ops)
{
	uint32_t *picks = calloc(PICKS, sizeof(*picks));

	for (uint32_t i = 0; i < PICKS; i++)
		picks[i] = pick_for(p, ops, i);
	return picks;
}

/* From full share down to nothing: who has left once never comes back. */
START_TEST(a_smaller_share_moves_clients_of_that_member_only)
{
	static const uint32_t steps[] = { 100, 99, 50, 50, 25, 5, 0 };
	const struct sched_ops *ops = ops_of(hash_names[_i]);
	struct pool p = thinned_pool(hash_names[_i], 100);
	uint32_t *before = picks_of(&p, ops);

	for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
		uint32_t *after;

		set_percent(&p, THINNED, steps[s]);
		after = picks_of(&p, ops);
		for (uint32_t i = 0; i < PICKS; i++)
			ck_assert(after[i] == before[i] ||
			    before[i] == THINNED);
		if (s > 0 && steps[s] == steps[s - 1])
			ck_assert_mem_eq(after, before, PICKS * sizeof(*after));
		free(before);
		before = after;
	}
	free(before);
	pool_free(&p);
}
END_TEST

START_TEST(clients_that_are_let_go_spread_over_the_rest)
{
	static const uint16_t rest[] = { 1, 0, 1, 1 };
	const struct sched_ops *ops = ops_of(hash_names[_i]);
	struct pool p = thinned_pool(hash_names[_i], 100);
	uint32_t *before = picks_of(&p, ops), *after;
	uint32_t moved[MEMBERS] = { 0 };

	set_percent(&p, THINNED, 50);
	after = picks_of(&p, ops);
	for (uint32_t i = 0; i < PICKS; i++) {
		if (after[i] != before[i])
			moved[after[i]]++;
	}
	ck_assert_double_lt(deviation(moved, rest, MEMBERS), 5);
	free(before);
	free(after);
	pool_free(&p);
}
END_TEST

START_TEST(the_order_of_members_does_not_matter_to_shares)
{
	const struct sched_ops *ops = ops_of(hash_names[_i]);
	struct pool a = pool_new(20), b = pool_new(20);

	for (uint32_t i = 0; i < 20; i++) {
		b.members[i] = a.members[19 - i];
		set_percent(&a, i, 10 * (i % 10) + 1);
	}
	b.g.states = a.states;
	pool_build_maglev(&a);
	pool_build_maglev(&b);
	for (uint32_t i = 0; i < 5000; i++)
		ck_assert_uint_eq(pick_for(&a, ops, i),
		    19 - pick_for(&b, ops, i));
	pool_free(&a);
	pool_free(&b);
}
END_TEST

/* The largest weights there can be, against 128 bit arithmetic. */
START_TEST(the_largest_loads_are_compared_exactly)
{
	static const char *const least[] = { "wlc", "sed", "p2c" };
	uint64_t seed = fresh_seed("the_largest_loads_are_compared_exactly");
	struct pool p = pool_new(2);

	for (int round = 0; round < 5000; round++) {
		__extension__ unsigned __int128 cross[2];
		const struct backend_state *b[2];
		const uint64_t plus = _i == 1;
		uint32_t member;

		for (uint32_t i = 0; i < 2; i++) {
			set_weight(&p, i,
			    (uint16_t)(65535U - (uint32_t)round % 3 * i));
			state_of(&p, i)->share = SHARE_MAX -
			    (uint32_t)(next_random(&seed) % 3);
			state_of(&p, i)->active = UINT32_MAX - 1 -
			    (uint32_t)(next_random(&seed) % 3);
			b[i] = state_of(&p, i);
		}
		for (uint32_t i = 0; i < 2; i++) {
			cross[i] = b[i]->active + plus;
			cross[i] *= backend_weight(b[1 - i]);
		}
		member = pick(&p, ops_of(least[_i]));
		ck_assert_uint_lt(member, 2);
		ck_assert(cross[member] <= cross[1 - member]);
	}
	pool_free(&p);
}
END_TEST

START_TEST(wrr_is_exact_with_the_largest_weights_of_many)
{
	struct pool p = pool_new(1000);
	uint32_t counts[1000] = { 0 };

	for (uint32_t i = 0; i < 1000; i++) {
		set_weight(&p, i, 65535);
		state_of(&p, i)->share = i < 500 ? SHARE_MAX : SHARE_MAX / 2;
	}
	for (uint32_t i = 0; i < 1500; i++)
		counts[pick(&p, ops_of("wrr"))]++;
	for (uint32_t i = 0; i < 1000; i++)
		ck_assert_uint_eq(counts[i], i < 500 ? 2 : 1);
	pool_free(&p);
}
END_TEST

static TCase *
measured(void)
{
	TCase *tc = tcase_create("measured");

	tcase_add_loop_test(tc, a_share_is_what_a_member_gets_of_idle_backends,
	    0, 3 * POLICIES);
	tcase_add_loop_test(tc,
	    a_share_is_what_a_member_holds_of_flows_that_stay, 0, 3 * 5);
	tcase_add_loop_test(tc, members_of_unequal_shares_are_as_unequal, 0, 6);
	tcase_add_loop_test(tc, weighted_policies_give_more_than_a_full_share,
	    0, 5);
	tcase_add_loop_test(tc,
	    unweighted_policies_know_no_more_than_a_full_share, 0, 3);
	tcase_set_timeout(tc, 60);
	return tc;
}

static TCase *
limits(void)
{
	TCase *tc = tcase_create("limits");

	tcase_add_loop_test(tc,
	    the_smallest_share_is_still_used_when_it_is_alone, 0, POLICIES);
	tcase_add_loop_test(tc, a_pool_of_the_smallest_shares_is_shared_evenly,
	    0, POLICIES);
	tcase_add_loop_test(tc, no_share_means_no_flow, 0, POLICIES);
	tcase_add_loop_test(tc,
	    in_a_panic_the_dead_are_picked_and_the_drained_are_not, 0,
	    POLICIES);
	tcase_add_loop_test(tc, the_largest_loads_are_compared_exactly, 0, 3);
	tcase_add_test(tc, wrr_is_exact_with_the_largest_weights_of_many);
	tcase_set_timeout(tc, 60);
	return tc;
}

static TCase *
consistent(void)
{
	TCase *tc = tcase_create("consistent");

	tcase_add_loop_test(tc,
	    a_smaller_share_moves_clients_of_that_member_only, 0, 2);
	tcase_add_loop_test(tc, clients_that_are_let_go_spread_over_the_rest, 0,
	    2);
	tcase_add_loop_test(tc, the_order_of_members_does_not_matter_to_shares,
	    0, 2);
	tcase_set_timeout(tc, 60);
	return tc;
}

int
main(void)
{
	Suite *suite = suite_create("sched_share");

	suite_add_tcase(suite, measured());
	suite_add_tcase(suite, limits());
	suite_add_tcase(suite, consistent());
	return run_suite(suite);
}
