/*
 * test_maglev.c - the table is a function of key and members alone, follows
 * the weights, and changes little when a member leaves.
 */
#include "loaded/maglev.h"

#include "runner.h"
#include "sched_fixture.h"

static uint32_t *
count_entries(const struct pool *p)
{
	uint32_t *counts = calloc(p->g.count, sizeof(*counts));

	for (uint32_t i = 0; i < p->g.maglev_size; i++) {
		ck_assert_uint_lt(p->maglev[i], p->g.count);
		counts[p->maglev[i]]++;
	}
	return counts;
}

static bool
is_prime(uint32_t n)
{
	for (uint32_t i = 2; i * i <= n; i++) {
		if (n % i == 0)
			return false;
	}
	return n > 1;
}

START_TEST(sizes_are_primes_of_a_hundred_entries_a_member)
{
	ck_assert_uint_eq(maglev_size(0), 0);
	ck_assert_uint_eq(maglev_size(1), 65537);
	ck_assert_uint_eq(maglev_size(655), 65537);
	for (uint32_t n = 1; n <= BACKEND_SLOTS; n += n < 700 ? 1 : 97) {
		ck_assert_uint_ge(maglev_size(n), 100 * n);
		ck_assert(is_prime(maglev_size(n)));
	}
	ck_assert_uint_ge(maglev_size(BACKEND_SLOTS), 100 * BACKEND_SLOTS);
	ck_assert(is_prime(maglev_size(BACKEND_SLOTS)));
}
END_TEST

static const struct weights_case {
	uint16_t weights[8];
	uint32_t count;
} weights_cases[] = {
	{ { 1 }, 1 },
	{ { 65535 }, 1 },
	{ { 1, 1 }, 2 },
	{ { 1, 65535 }, 2 },
	{ { 65535, 1, 1, 1, 1, 1, 1, 1 }, 8 },
	{ { 65535, 65535, 65535 }, 3 },
	{ { 65535, 65534, 65533 }, 3 },
	{ { 5, 3, 0, 2 }, 4 },
	{ { 0, 0, 7 }, 3 },
	{ { 1, 2, 4, 8, 16, 32, 64, 128 }, 8 },
	{ { 1000, 1, 1000, 1, 0, 999, 500, 333 }, 8 },
};

/* Less than a whole entry for each member of the pool. */
static void
check_shares(const struct pool *p)
{
	uint32_t *counts = count_entries(p);
	double weights = 0;

	for (uint32_t i = 0; i < p->g.count; i++)
		weights += p->members[i].weight;
	for (uint32_t i = 0; i < p->g.count; i++) {
		const uint16_t weight = p->members[i].weight;
		const double want = (double)p->g.maglev_size * weight / weights;

		ck_assert_double_lt(fabs(counts[i] - want), p->g.count);
		ck_assert_int_eq(counts[i] > 0, weight > 0);
	}
	free(counts);
}

START_TEST(entries_follow_the_weights)
{
	const struct weights_case *wc = &weights_cases[_i];
	struct pool p = pool_of(wc->weights, wc->count);

	pool_build_maglev(&p);
	check_shares(&p);
	pool_free(&p);
}
END_TEST

START_TEST(entries_follow_random_weights)
{
	uint64_t seed = fresh_seed("entries_follow_random_weights");

	for (int round = 0; round < 10; round++) {
		struct pool p = pool_new(1 +
		    (uint32_t)(next_random(&seed) % 300));

		for (uint32_t i = 0; i < p.g.count; i++)
			set_weight(&p, i,
			    (uint16_t)((next_random(&seed) | 0x8000) >>
				(next_random(&seed) % 16)));
		pool_build_maglev(&p);
		check_shares(&p);
		pool_free(&p);
	}
}
END_TEST

START_TEST(equal_weights_differ_by_one_entry_at_most)
{
	static const uint32_t sizes[] = { 2, 3, 10, 100, 655, 2000 };
	struct pool p = pool_new(sizes[_i]);
	const uint32_t share = maglev_size(sizes[_i]) / sizes[_i];
	uint32_t *counts;

	pool_build_maglev(&p);
	counts = count_entries(&p);
	for (uint32_t i = 0; i < p.g.count; i++) {
		ck_assert_uint_ge(counts[i], share);
		ck_assert_uint_le(counts[i], share + 1);
	}
	free(counts);
	pool_free(&p);
}
END_TEST

START_TEST(no_weight_leaves_no_entry)
{
	static const uint16_t weights[3] = { 0 };
	struct pool p = pool_of(weights, 3);

	pool_build_maglev(&p);
	for (uint32_t i = 0; i < p.g.maglev_size; i++)
		ck_assert_uint_eq(p.maglev[i], UINT16_MAX);
	ck_assert_int_eq(maglev_build(p.maglev, p.g.maglev_size, p.members, 0,
			     fixture_key),
	    0);
	ck_assert_uint_eq(p.maglev[0], UINT16_MAX);
	pool_free(&p);
}
END_TEST

START_TEST(a_backend_listed_twice_counts_twice)
{
	struct pool p = pool_new(3);
	uint32_t *counts;

	p.members[1] = p.members[0];
	pool_build_maglev(&p);
	counts = count_entries(&p);
	ck_assert_uint_ge(counts[0], 65537 / 3);
	ck_assert_uint_ge(counts[1], 65537 / 3);
	free(counts);
	pool_free(&p);
}
END_TEST

static void
shuffle(struct pool *p, uint64_t *seed)
{
	for (uint32_t i = p->g.count - 1; i > 0; i--) {
		const uint32_t j = (uint32_t)(next_random(seed) % (i + 1));
		const struct sched_member m = p->members[i];

		p->members[i] = p->members[j];
		p->members[j] = m;
	}
}

static bool
same_choices(const struct pool *a, const struct pool *b)
{
	for (uint32_t i = 0; i < a->g.maglev_size; i++) {
		const struct sched_member *x = &a->members[a->maglev[i]];
		const struct sched_member *y = &b->members[b->maglev[i]];

		if (x->slot != y->slot)
			return false;
	}
	return true;
}

/* Members of one weight are always due together, so they compete most. */
START_TEST(the_order_of_members_does_not_matter)
{
	static const uint16_t largest[] = { 0, 1, 3, 65534 };
	uint64_t seed = fresh_seed("the_order_of_members_does_not_matter");
	struct pool a = pool_new(50), b = pool_new(50);

	for (uint32_t i = 0; i < a.g.count; i++) {
		set_weight(&a, i,
		    (uint16_t)(1 + next_random(&seed) % (largest[_i] + 1U)));
		a.members[i].port_be = (uint16_t)(i % 3);
		a.members[i].addr = addr_of(0x0a000000 + i / 3);
		b.members[i] = a.members[i];
	}
	pool_build_maglev(&a);
	pool_build_maglev(&b);
	ck_assert_mem_eq(a.maglev, b.maglev,
	    a.g.maglev_size * sizeof(*a.maglev));
	shuffle(&b, &seed);
	pool_build_maglev(&b);
	ck_assert(same_choices(&a, &b));
	pool_free(&a);
	pool_free(&b);
}
END_TEST

START_TEST(another_key_makes_another_table)
{
	static const uint8_t other[SIPHASH_KEY_LEN] = "some other key.";
	struct pool a = pool_new(10), b = pool_new(10);
	uint32_t same = 0;

	b.g.key = other;
	pool_build_maglev(&a);
	pool_build_maglev(&b);
	for (uint32_t i = 0; i < a.g.maglev_size; i++)
		same += a.maglev[i] == b.maglev[i];
	ck_assert_uint_lt(same, a.g.maglev_size / 8);
	pool_free(&a);
	pool_free(&b);
}
END_TEST

/* The share of the others' entries that move when the first member leaves. */
static double
share_moved(struct pool *p)
{
	struct pool rest = pool_new(p->g.count - 1);
	uint32_t others = 0, moved = 0;

	memcpy(rest.members, p->members + 1,
	    rest.g.count * sizeof(*rest.members));
	rest.maglev = calloc(p->g.maglev_size, sizeof(*rest.maglev));
	ck_assert_int_eq(maglev_build(rest.maglev, p->g.maglev_size,
			     rest.members, rest.g.count, fixture_key),
	    0);
	for (uint32_t i = 0; i < p->g.maglev_size; i++) {
		if (p->maglev[i] == 0)
			continue;
		others++;
		moved += rest.maglev[i] + 1 != p->maglev[i];
	}
	pool_free(&rest);
	return (double)moved / others;
}

START_TEST(removing_one_member_moves_few_others)
{
	static const uint32_t sizes[] = { 2, 3, 5, 10, 30, 100, 655, 1000 };
	struct pool p = pool_new(sizes[_i]);
	double moved;

	pool_build_maglev(&p);
	moved = share_moved(&p);
	printf("1 of %u removed: %.2f %% of the others' entries moved\n",
	    sizes[_i], 100 * moved);
	ck_assert_double_lt(moved, 1.0 / sizes[_i] + 0.02);
	pool_free(&p);
}
END_TEST

START_TEST(the_largest_pool_is_built_in_time)
{
	struct pool p = pool_new(BACKEND_SLOTS);
	clock_t start;

	set_weight(&p, 77, UINT16_MAX);
	start = clock();
	pool_build_maglev(&p);
	printf("%d members, 65535:1: %.3f s\n", BACKEND_SLOTS,
	    (double)(clock() - start) / CLOCKS_PER_SEC);
	check_shares(&p);
	pool_free(&p);
}
END_TEST

static TCase *
shares(void)
{
	const int ncases = sizeof(weights_cases) / sizeof(weights_cases[0]);
	TCase *tc = tcase_create("shares");

	tcase_add_test(tc, sizes_are_primes_of_a_hundred_entries_a_member);
	tcase_add_loop_test(tc, entries_follow_the_weights, 0, ncases);
	tcase_add_test(tc, entries_follow_random_weights);
	tcase_add_loop_test(tc, equal_weights_differ_by_one_entry_at_most, 0,
	    6);
	tcase_add_test(tc, no_weight_leaves_no_entry);
	tcase_add_test(tc, a_backend_listed_twice_counts_twice);
	tcase_add_test(tc, the_largest_pool_is_built_in_time);
	tcase_set_timeout(tc, 60);
	return tc;
}

static TCase *
agreement(void)
{
	TCase *tc = tcase_create("agreement");

	tcase_add_loop_test(tc, the_order_of_members_does_not_matter, 0, 4);
	tcase_add_test(tc, another_key_makes_another_table);
	tcase_add_loop_test(tc, removing_one_member_moves_few_others, 0, 8);
	tcase_set_timeout(tc, 60);
	return tc;
}

int
main(void)
{
	Suite *suite = suite_create("maglev");

	suite_add_tcase(suite, shares());
	suite_add_tcase(suite, agreement());
	return run_suite(suite);
}
