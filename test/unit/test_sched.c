/*
 * test_sched.c - what holds for every policy: who may be picked at all, and
 * that limits are kept.  The choices themselves are in test_sched_*.c.
 */
#include "loaded/sched.h"

#include "runner.h"
#include "sched_fixture.h"

#define POLICIES 11

static const char *const names[POLICIES] = { "rr", "wrr", "lc", "wlc", "sed",
	"nq", "random", "p2c", "sh", "srcmask", "mh" };

/* A pool that every policy can work with. */
static struct pool
ready_pool(uint32_t count)
{
	struct pool p = pool_new(count);

	pool_build_maglev(&p);
	return p;
}

START_TEST(each_policy_is_found_by_its_name)
{
	ck_assert_uint_eq(sched_count(), POLICIES);
	for (int i = 0; i < POLICIES; i++) {
		const struct sched_ops *ops = ops_of(names[i]);

		ck_assert_str_eq(ops->name, names[i]);
		ck_assert(ops->help[0] != '\0');
		ck_assert_ptr_nonnull(ops->pick);
	}
	ck_assert_int_eq(sched_find(""), -1);
	ck_assert_int_eq(sched_find("RR"), -1);
	ck_assert_int_eq(sched_find("rrr"), -1);
}
END_TEST

START_TEST(the_hashing_policies_are_consistent)
{
	for (int i = 0; i < POLICIES; i++) {
		const struct sched_ops *ops = ops_of(names[i]);
		const bool mh = strcmp(ops->name, "mh") == 0;
		const bool hashing = mh || strcmp(ops->name, "sh") == 0 ||
		    strcmp(ops->name, "srcmask") == 0;

		ck_assert_int_eq(ops->consistent, hashing);
		ck_assert_int_eq(ops->needs_maglev, mh);
		ck_assert_int_eq(ops->hash_port, mh);
	}
}
END_TEST

START_TEST(a_state_has_room_for_every_turn)
{
	for (uint32_t n = 0; n < 3000; n++) {
		const size_t size = sched_state_size(n);

		ck_assert_uint_ge(size, sizeof(struct sched_state));
		ck_assert_uint_ge(size,
		    offsetof(struct sched_state, turn) + n * sizeof(int64_t));
		ck_assert_uint_eq(size % alignof(struct sched_state), 0);
	}
}
END_TEST

START_TEST(an_empty_pool_has_nobody)
{
	struct pool p = pool_new(0);

	ck_assert_uint_eq(pick(&p, ops_of(names[_i])), SCHED_NONE);
	pool_free(&p);
}
END_TEST

START_TEST(one_member_gets_all)
{
	const struct sched_ops *ops = ops_of(names[_i]);
	struct pool p = ready_pool(1);

	for (uint32_t i = 0; i < 100; i++)
		ck_assert_uint_eq(pick_for(&p, ops, i), 0);
	pool_free(&p);
}
END_TEST

START_TEST(the_lock_is_free_afterwards)
{
	struct pool p = ready_pool(2);

	pick(&p, ops_of(names[_i]));
	ck_assert_uint_eq(p.state->lock.held, 0);
	pool_free(&p);
}
END_TEST

/* Each a way to be unusable; index 0 is none. */
static void
hinder(struct backend_state *b, uint64_t way)
{
	const uint8_t admin[] = { ADMIN_READY, ADMIN_DRAIN, ADMIN_MAINT };

	b->admin = admin[way < 3 ? way : 0];
	b->health = way == 3 ? HEALTH_DOWN : HEALTH_UP;
	b->weight = way != 4;
	b->max_connections = way == 5 ? b->active : 0;
	b->max_rate = way == 6 ? 1 : 0;
	b->rate_ns = way == 6 ? NOW + 1000000000 : 0;
}

START_TEST(nobody_usable_means_none)
{
	const struct sched_ops *ops = ops_of(names[_i]);
	struct pool p = ready_pool(7);

	for (uint32_t i = 0; i < p.g.count; i++) {
		state_of(&p, i)->active = 3;
		hinder(state_of(&p, i), i % 6 + 1);
	}
	for (uint32_t i = 0; i < 20; i++)
		ck_assert_uint_eq(pick_for(&p, ops, i), SCHED_NONE);
	hinder(state_of(&p, 4), 0);
	for (uint32_t i = 0; i < 20; i++)
		ck_assert_uint_eq(pick_for(&p, ops, i), 4);
	pool_free(&p);
}
END_TEST

START_TEST(only_usable_members_are_picked_whatever_happens)
{
	const struct sched_ops *ops = ops_of(names[_i]);
	uint64_t seed = fresh_seed(names[_i]);
	struct pool p = ready_pool(9);

	p.seed = seed;
	for (uint32_t round = 0; round < 5000; round++) {
		struct backend_state *b = state_of(&p,
		    (uint32_t)(next_random(&seed) % 9));
		uint32_t usable = 0, member;

		b->active = (uint32_t)(next_random(&seed) % 5 + 1);
		hinder(b, next_random(&seed) % 9);
		for (uint32_t i = 0; i < p.g.count; i++)
			usable += backend_usable(state_of(&p, i), false, NOW);
		member = pick_for(&p, ops, round);
		ck_assert_int_eq(member != SCHED_NONE, usable > 0);
		if (member != SCHED_NONE)
			ck_assert(backend_usable(state_of(&p, member), false,
			    NOW));
	}
	pool_free(&p);
}
END_TEST

START_TEST(excluded_members_are_not_picked)
{
	const struct sched_ops *ops = ops_of(names[_i]);
	struct pool p = ready_pool(SCHED_EXCLUDE);

	for (uint32_t i = 0; i < 200; i++) {
		p.c.nexcluded = 0;
		for (uint32_t seen = 0; p.c.nexcluded < SCHED_EXCLUDE;) {
			const uint32_t member = pick_for(&p, ops, i);

			ck_assert_uint_lt(member, p.g.count);
			ck_assert_uint_eq(seen & 1U << member, 0);
			seen |= 1U << member;
			p.c.excluded[p.c.nexcluded++] = member;
		}
		ck_assert_uint_eq(pick_for(&p, ops, i), SCHED_NONE);
	}
	pool_free(&p);
}
END_TEST

/* Picks and takes until nobody is left; the number taken. */
static uint32_t
take_all(struct pool *p, const struct sched_ops *ops)
{
	uint32_t taken = 0, member;

	while ((member = pick_for(p, ops, taken)) != SCHED_NONE) {
		ck_assert(backend_take(state_of(p, member), p->c.now_ns));
		taken++;
	}
	return taken;
}

START_TEST(connection_limits_are_kept_and_used_up)
{
	const struct sched_ops *ops = ops_of(names[_i]);
	struct pool p = ready_pool(5);

	for (uint32_t i = 0; i < p.g.count; i++)
		state_of(&p, i)->max_connections = 10 * i + 1;
	ck_assert_uint_eq(take_all(&p, ops), 105);
	for (uint32_t i = 0; i < p.g.count; i++)
		ck_assert_uint_eq(state_of(&p, i)->active, 10 * i + 1);
	backend_release(state_of(&p, 3));
	ck_assert_uint_eq(pick(&p, ops), 3);
	pool_free(&p);
}
END_TEST

START_TEST(rate_limits_are_kept_and_used_up)
{
	const struct sched_ops *ops = ops_of(names[_i]);
	struct pool p = ready_pool(3);

	for (uint32_t i = 0; i < p.g.count; i++)
		state_of(&p, i)->max_rate = 20 * (i + 1);
	ck_assert_uint_eq(take_all(&p, ops), 120);
	p.c.now_ns += 500000000;
	ck_assert_uint_ge(take_all(&p, ops), 58);
	ck_assert_uint_le(state_of(&p, 0)->flows, 30);
	pool_free(&p);
}
END_TEST

static double
measure(struct pool *p, const struct sched_ops *ops, uint32_t rounds)
{
	const clock_t start = clock();

	for (uint32_t i = 0; i < rounds; i++)
		ck_assert_uint_lt(pick_for(p, ops, i), p->g.count);
	return (double)(clock() - start) / CLOCKS_PER_SEC / rounds;
}

START_TEST(a_pool_of_two_thousand_works)
{
	const struct sched_ops *ops = ops_of(names[_i]);
	struct pool small = ready_pool(10), large = ready_pool(2000);

	for (uint32_t i = 0; i < large.g.count; i++)
		set_weight(&large, i, (uint16_t)(i % 100 + 1));
	printf("%-8s %6.0f ns of 10, %6.0f ns of 2000\n", ops->name,
	    1e9 * measure(&small, ops, 20000),
	    1e9 * measure(&large, ops, 2000));
	for (uint32_t i = 0; i < 1999; i++)
		set_down(&large, i, true);
	ck_assert_uint_eq(pick(&large, ops), 1999);
	pool_free(&small);
	pool_free(&large);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sched");
	TCase *table = tcase_create("table"), *usable = tcase_create("usable");
	TCase *limits = tcase_create("limits"), *size = tcase_create("size");

	tcase_add_test(table, each_policy_is_found_by_its_name);
	tcase_add_test(table, the_hashing_policies_are_consistent);
	tcase_add_test(table, a_state_has_room_for_every_turn);
	tcase_add_loop_test(usable, an_empty_pool_has_nobody, 0, POLICIES);
	tcase_add_loop_test(usable, one_member_gets_all, 0, POLICIES);
	tcase_add_loop_test(usable, the_lock_is_free_afterwards, 0, POLICIES);
	tcase_add_loop_test(usable, nobody_usable_means_none, 0, POLICIES);
	tcase_add_loop_test(usable,
	    only_usable_members_are_picked_whatever_happens, 0, POLICIES);
	tcase_add_loop_test(usable, excluded_members_are_not_picked, 0,
	    POLICIES);
	tcase_add_loop_test(limits, connection_limits_are_kept_and_used_up, 0,
	    POLICIES);
	tcase_add_loop_test(limits, rate_limits_are_kept_and_used_up, 0,
	    POLICIES);
	tcase_add_loop_test(size, a_pool_of_two_thousand_works, 0, POLICIES);
	tcase_set_timeout(size, 60);
	suite_add_tcase(suite, table);
	suite_add_tcase(suite, usable);
	suite_add_tcase(suite, limits);
	suite_add_tcase(suite, size);
	return run_suite(suite);
}
