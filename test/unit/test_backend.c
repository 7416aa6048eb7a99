/*
 * test_backend.c - who may have new flows, and limits that hold against any
 * number of threads.
 */
#include "loaded/backend.h"
#include "loaded/share.h"
#include "runner.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)
#define THREADS 4
#define ROUNDS 50000

struct usable_case {
	enum backend_admin admin, agent;
	enum backend_health health;
	uint32_t weight, share, active, max, agent_max;
	bool usable, usable_in_panic;
};

#define NO_LIMIT 0, 0
#define READY ADMIN_READY, ADMIN_READY
#define FULL SHARE_FULL

static const struct usable_case usable_cases[] = {
	{ READY, HEALTH_UP, 1, FULL, 0, NO_LIMIT, true, true },
	{ READY, HEALTH_UNKNOWN, 1, FULL, 0, NO_LIMIT, true, true },
	{ READY, HEALTH_UP, 65535, FULL, 1000000, NO_LIMIT, true, true },
	{ READY, HEALTH_DOWN, 1, FULL, 0, NO_LIMIT, false, true },
	{ ADMIN_DRAIN, ADMIN_READY, HEALTH_UP, 1, FULL, 0, NO_LIMIT, false,
	    false },
	{ ADMIN_MAINT, ADMIN_READY, HEALTH_UP, 1, FULL, 0, NO_LIMIT, false,
	    false },
	{ ADMIN_READY, ADMIN_DRAIN, HEALTH_UP, 1, FULL, 0, NO_LIMIT, false,
	    false },
	{ ADMIN_READY, ADMIN_MAINT, HEALTH_DOWN, 1, FULL, 0, NO_LIMIT, false,
	    false },
	{ ADMIN_MAINT, ADMIN_DRAIN, HEALTH_UP, 1, FULL, 0, NO_LIMIT, false,
	    false },
	{ READY, HEALTH_UP, 0, FULL, 0, NO_LIMIT, false, false },
	{ READY, HEALTH_UP, 1, 0, 0, NO_LIMIT, false, false },
	{ READY, HEALTH_UP, 1, 1, 0, NO_LIMIT, true, true },
	{ READY, HEALTH_UP, 65535, SHARE_MAX, 0, NO_LIMIT, true, true },
	{ READY, HEALTH_UP, 1, FULL, 4, 5, 0, true, true },
	{ READY, HEALTH_UP, 1, FULL, 5, 5, 0, false, false },
	{ READY, HEALTH_UP, 1, FULL, 6, 5, 0, false, false },
	{ READY, HEALTH_UP, 1, FULL, 4, 0, 5, true, true },
	{ READY, HEALTH_UP, 1, FULL, 5, 0, 5, false, false },
	{ READY, HEALTH_UP, 1, FULL, 5, 9, 5, false, false },
	{ READY, HEALTH_UP, 1, FULL, 5, 5, 9, false, false },
	{ READY, HEALTH_UP, 1, FULL, 4, 9, 5, true, true },
	{ READY, HEALTH_UP, 1, FULL, UINT32_MAX, NO_LIMIT, false, false },
};

START_TEST(usable_looks_at_admin_health_weight_and_room)
{
	const struct usable_case *uc = &usable_cases[_i];
	struct backend_state b = { .admin = (uint8_t)uc->admin,
		.agent_admin = (uint8_t)uc->agent,
		.health = (uint8_t)uc->health,
		.weight = uc->weight,
		.share = uc->share,
		.active = uc->active,
		.max_connections = uc->max,
		.agent_max = uc->agent_max };
	const bool room = uc->active != UINT32_MAX &&
	    (uc->max == 0 || uc->active < uc->max) &&
	    (uc->agent_max == 0 || uc->active < uc->agent_max);

	ck_assert_int_eq(backend_usable(&b, false, SECOND), uc->usable);
	ck_assert_int_eq(backend_usable(&b, true, SECOND), uc->usable_in_panic);
	ck_assert_int_eq(backend_take(&b, SECOND), room);
}
END_TEST

START_TEST(lost_is_who_is_down_or_in_maintenance)
{
	const enum backend_admin admin = (enum backend_admin)(_i % 3);
	const enum backend_admin agent = (enum backend_admin)(_i / 3 % 3);
	const enum backend_health health = (enum backend_health)(_i / 9);
	const bool maint = admin == ADMIN_MAINT || agent == ADMIN_MAINT;
	struct backend_state b = { .admin = (uint8_t)admin,
		.agent_admin = (uint8_t)agent,
		.health = (uint8_t)health };

	ck_assert_int_eq(backend_is_lost(&b, true), maint);
	ck_assert_int_eq(backend_is_lost(&b, false),
	    maint || health == HEALTH_DOWN);
	/* Nobody is lost and gets new flows all the same. */
	b.weight = b.share = 1;
	ck_assert(!(backend_is_lost(&b, true) && backend_usable(&b, true, 0)));
	ck_assert(!(backend_is_lost(&b, false) &&
	    backend_usable(&b, false, 0)));
}
END_TEST

START_TEST(weight_is_the_product_of_weight_and_share)
{
	struct backend_state b = { .weight = 7, .share = SHARE_FULL / 4 };

	ck_assert_uint_eq(backend_weight(&b), 7 * SHARE_FULL / 4);
	b.weight = 65535;
	b.share = SHARE_MAX;
	ck_assert_uint_eq(backend_weight(&b), UINT64_C(65535) * SHARE_MAX);
	b.share = 0;
	ck_assert_uint_eq(backend_weight(&b), 0);
}
END_TEST

START_TEST(init_forgets_what_was_known_but_not_the_flows)
{
	struct backend_state b;

	memset(&b, 0xff, sizeof(b));
	b.active = 3;
	b.flows = 1000;
	b.rate_ns = 0;
	backend_init(&b, 5, 4, 2);
	ck_assert_uint_eq(b.active, 3);
	ck_assert_uint_eq(b.flows, 1000);
	ck_assert_uint_eq(b.suspect, 0);
	ck_assert_uint_eq(b.health, HEALTH_UNKNOWN);
	ck_assert_uint_eq(backend_weight(&b), 5 * SHARE_FULL);
	ck_assert(!backend_is_lost(&b, false));
	ck_assert(backend_usable(&b, false, SECOND));
	ck_assert(backend_take(&b, SECOND));
	ck_assert(!backend_take(&b, SECOND));
	backend_release(&b);
	ck_assert(backend_take(&b, SECOND));
	backend_release(&b);
	ck_assert(!backend_take(&b, SECOND));
}
END_TEST

START_TEST(take_counts_up_to_the_limit_and_release_makes_room)
{
	struct backend_state b = { .weight = 1,
		.share = SHARE_FULL,
		.max_connections = 2 };

	ck_assert(backend_take(&b, 0));
	ck_assert(backend_take(&b, 0));
	ck_assert(!backend_take(&b, 0));
	ck_assert(!backend_usable(&b, false, 0));
	ck_assert_uint_eq(b.active, 2);
	backend_release(&b);
	ck_assert(backend_usable(&b, false, 0));
	ck_assert(backend_take(&b, 0));
	ck_assert_uint_eq(b.active, 2);
}
END_TEST

START_TEST(a_limit_lowered_below_the_count_stops_new_flows_only)
{
	struct backend_state b = { .weight = 1,
		.share = SHARE_FULL,
		.active = 10,
		.max_connections = 5 };

	ck_assert(!backend_take(&b, 0));
	ck_assert_uint_eq(b.active, 10);
}
END_TEST

START_TEST(without_a_token_nothing_changes)
{
	struct backend_state b = { .weight = 1,
		.share = SHARE_FULL,
		.max_rate = 3 };

	for (int i = 0; i < 3; i++)
		ck_assert(backend_take(&b, SECOND));
	ck_assert(!backend_usable(&b, false, SECOND));
	ck_assert(!backend_take(&b, SECOND));
	ck_assert_uint_eq(b.active, 3);
	ck_assert(backend_usable(&b, false, 2 * SECOND));
	ck_assert(backend_take(&b, 2 * SECOND));
}
END_TEST

START_TEST(a_full_backend_spends_no_token)
{
	struct backend_state b = { .weight = 1,
		.share = SHARE_FULL,
		.max_rate = 3,
		.max_connections = 1 };

	ck_assert(backend_take(&b, SECOND));
	for (int i = 0; i < 5; i++)
		ck_assert(!backend_take(&b, SECOND));
	b.max_connections = 0;
	ck_assert(backend_take(&b, SECOND));
	ck_assert(backend_take(&b, SECOND));
	ck_assert(!backend_take(&b, SECOND));
}
END_TEST

START_TEST(release_stops_at_zero)
{
	struct backend_state b = { .active = 1 };

	backend_release(&b);
	backend_release(&b);
	ck_assert_uint_eq(b.active, 0);
}
END_TEST

struct race {
	struct backend_state b;
	_Atomic uint32_t holders; /* counted apart from the backend */
	_Atomic uint32_t most;
	_Atomic uint64_t taken;
};

static void
note_most(struct race *r, uint32_t holders)
{
	uint32_t most = atomic_load(&r->most);

	while (holders > most &&
	    !atomic_compare_exchange_weak(&r->most, &most, holders))
		;
}

static void *
take_and_release(void *arg)
{
	struct race *r = arg;

	for (int i = 0; i < ROUNDS; i++) {
		if (!backend_take(&r->b, SECOND))
			continue;
		note_most(r, atomic_fetch_add(&r->holders, 1) + 1);
		atomic_fetch_add(&r->taken, 1);
		atomic_fetch_sub(&r->holders, 1);
		backend_release(&r->b);
	}
	return NULL;
}

static void *
take_only(void *arg)
{
	struct race *r = arg;

	for (int i = 0; i < ROUNDS; i++) {
		if (backend_take(&r->b, SECOND))
			atomic_fetch_add(&r->taken, 1);
	}
	return NULL;
}

static void
run_race(struct race *r, void *(*body)(void *))
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, body, r), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

START_TEST(racing_threads_never_pass_the_limit)
{
	struct race r = {
		.b = { .weight = 1, .share = SHARE_FULL, .max_connections = 2 }
	};

	run_race(&r, take_and_release);
	ck_assert_uint_le(r.most, 2);
	ck_assert_uint_eq(r.b.active, 0);
	ck_assert_uint_gt(r.taken, 0);
}
END_TEST

START_TEST(racing_threads_fill_a_backend_exactly)
{
	struct race r = { .b = { .weight = 1,
			      .share = SHARE_FULL,
			      .max_connections = _i == 0 ? 70001 : 80000,
			      .agent_max = _i == 0 ? 0 : 70001 } };

	run_race(&r, take_only);
	ck_assert_uint_eq(r.taken, 70001);
	ck_assert_uint_eq(r.b.active, 70001);
}
END_TEST

START_TEST(racing_threads_keep_the_rate_and_the_count)
{
	struct race r = {
		.b = { .weight = 1, .share = SHARE_FULL, .max_rate = 12345 }
	};

	run_race(&r, take_only);
	ck_assert_uint_eq(r.taken, 12345);
	ck_assert_uint_eq(r.b.active, 12345);
}
END_TEST

int
main(void)
{
	const int ncases = sizeof(usable_cases) / sizeof(usable_cases[0]);
	Suite *suite = suite_create("backend");
	TCase *usable = tcase_create("usable"), *take = tcase_create("take");
	TCase *race = tcase_create("race");

	tcase_add_loop_test(usable,
	    usable_looks_at_admin_health_weight_and_room, 0, ncases);
	tcase_add_loop_test(usable, lost_is_who_is_down_or_in_maintenance, 0,
	    27);
	tcase_add_test(usable, weight_is_the_product_of_weight_and_share);
	tcase_add_test(usable, init_forgets_what_was_known_but_not_the_flows);
	tcase_add_test(take,
	    take_counts_up_to_the_limit_and_release_makes_room);
	tcase_add_test(take,
	    a_limit_lowered_below_the_count_stops_new_flows_only);
	tcase_add_test(take, without_a_token_nothing_changes);
	tcase_add_test(take, a_full_backend_spends_no_token);
	tcase_add_test(take, release_stops_at_zero);
	tcase_add_test(race, racing_threads_never_pass_the_limit);
	tcase_add_loop_test(race, racing_threads_fill_a_backend_exactly, 0, 2);
	tcase_add_test(race, racing_threads_keep_the_rate_and_the_count);
	tcase_set_timeout(race, 60);
	suite_add_tcase(suite, usable);
	suite_add_tcase(suite, take);
	suite_add_tcase(suite, race);
	return run_suite(suite);
}
