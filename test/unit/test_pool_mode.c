/*
 * test_pool_mode.c - quorum, backup and panic: what each pool does when its
 * backends go one by one and come again.
 */
#include "loaded/pool_mode.h"

#include <check.h>
#include <stdlib.h>

#include "runner.h"
#include "seed.h"

#define N POOL_NORMAL
#define B POOL_BACKUP
#define P POOL_PANIC

/* Feeds the numbers of backends that are up, in turn, and compares modes. */
static void
walk(const struct pool_mode_conf *conf, uint32_t total, uint32_t backup_up,
    const uint32_t *ups, const enum pool_mode *modes, size_t count)
{
	bool lost = false;

	for (size_t i = 0; i < count; i++) {
		const struct pool_counts counts = { total, ups[i], backup_up };

		ck_assert_msg(pool_mode_next(&lost, conf, &counts) == modes[i],
		    "step %zu", i);
	}
}

#define WALK(conf, total, backup_up, ups, modes) \
	walk(conf, total, backup_up, ups, modes, sizeof(ups) / sizeof((ups)[0]))

START_TEST(without_quorum_the_last_backend_decides)
{
	const struct pool_mode_conf conf = { .backup = true };
	const uint32_t ups[] = { 3, 1, 0, 0, 1, 3 };
	const enum pool_mode with[] = { N, N, B, B, N, N };
	const enum pool_mode without[] = { N, N, N, N, N, N };

	WALK(&conf, 3, 1, ups, with);
	WALK(&conf, 3, 0, ups, without);
}
END_TEST

START_TEST(a_quorum_is_lost_below_and_back_at_its_number)
{
	const struct pool_mode_conf conf = { .quorum = 2, .backup = true };
	const uint32_t ups[] = { 4, 2, 1, 0, 1, 2, 4 };
	const enum pool_mode modes[] = { N, N, B, B, B, N, N };

	WALK(&conf, 4, 5, ups, modes);
}
END_TEST

START_TEST(hysteresis_keeps_what_is_between_the_thresholds)
{
	const struct pool_mode_conf conf = { .quorum = 3, .hysteresis = 1,
		.backup = true };
	const uint32_t ups[] = { 5, 3, 2, 1, 2, 3, 4, 3, 2, 1 };
	const enum pool_mode modes[] = { N, N, N, B, B, B, N, N, N, B };

	WALK(&conf, 6, 1, ups, modes);
}
END_TEST

START_TEST(all_up_is_enough_where_the_upper_threshold_is_out_of_reach)
{
	const struct pool_mode_conf conf = { .quorum = 3, .hysteresis = 2,
		.backup = true };
	const uint32_t ups[] = { 4, 1, 0, 1, 3, 4 };
	const enum pool_mode modes[] = { N, N, B, B, B, N };

	WALK(&conf, 4, 1, ups, modes);
}
END_TEST

START_TEST(too_few_backends_for_the_quorum_do_not_flap)
{
	const struct pool_mode_conf conf = { .quorum = 3, .hysteresis = 1,
		.backup = true };
	const uint32_t ups[] = { 1, 1, 1, 1 };
	const enum pool_mode modes[] = { B, B, B, B };

	WALK(&conf, 1, 1, ups, modes);
}
END_TEST

START_TEST(panic_is_only_when_nobody_is_up_here_or_there)
{
	const struct pool_mode_conf alone = { .panic_all = true };
	const struct pool_mode_conf both = { .quorum = 2, .backup = true,
		.panic_all = true };
	const uint32_t ups[] = { 2, 1, 0, 1, 2 };
	const enum pool_mode alone_modes[] = { N, N, P, N, N };
	const enum pool_mode backed[] = { N, B, B, B, N };
	const enum pool_mode unbacked[] = { N, N, P, N, N };

	WALK(&alone, 3, 0, ups, alone_modes);
	WALK(&alone, 3, 7, ups, alone_modes);
	WALK(&both, 3, 1, ups, backed);
	WALK(&both, 3, 0, ups, unbacked);
}
END_TEST

START_TEST(a_family_without_backends_uses_the_backup_but_never_panics)
{
	const struct pool_mode_conf conf = { .backup = true,
		.panic_all = true };
	const uint32_t ups[] = { 0, 0 };
	const enum pool_mode backed[] = { B, B }, unbacked[] = { N, N };

	WALK(&conf, 0, 1, ups, backed);
	WALK(&conf, 0, 0, ups, unbacked);
}
END_TEST

START_TEST(the_backup_that_dies_and_comes_back_is_followed)
{
	const struct pool_mode_conf conf = { .quorum = 2, .backup = true };
	const struct pool_counts with = { 3, 1, 1 }, without = { 3, 1, 0 };
	bool lost = false;

	ck_assert_int_eq(pool_mode_next(&lost, &conf, &with), B);
	ck_assert_int_eq(pool_mode_next(&lost, &conf, &without), N);
	ck_assert(lost);
	ck_assert_int_eq(pool_mode_next(&lost, &conf, &with), B);
}
END_TEST

static struct pool_mode_conf
random_conf(void)
{
	struct pool_mode_conf conf = { .quorum = (uint32_t)random() % 6,
		.backup = random() % 2, .panic_all = random() % 2 };

	if (conf.quorum > 0)
		conf.hysteresis = (uint32_t)random() % conf.quorum;
	return conf;
}

/* What must hold for any numbers. */
START_TEST(any_step_keeps_its_promises)
{
	seed_random("pool_mode");
	for (int round = 0; round < 20000; round++) {
		const struct pool_mode_conf conf = random_conf();
		const uint32_t total = (uint32_t)random() % 8;
		const struct pool_counts counts = { total,
			(uint32_t)random() % (total + 1),
			(uint32_t)random() % 3 };
		const bool before = random() % 2;
		bool lost = before, again;
		const enum pool_mode mode = pool_mode_next(&lost, &conf,
		    &counts);

		again = lost;
		ck_assert_int_eq(pool_mode_next(&again, &conf, &counts), mode);
		ck_assert_int_eq(again, lost);
		if (counts.up == 0)
			ck_assert(lost);
		if (mode == B)
			ck_assert(lost && conf.backup && counts.backup_up > 0);
		if (mode == P)
			ck_assert(lost && conf.panic_all && counts.up == 0);
		if (counts.up >= conf.quorum + conf.hysteresis &&
		    counts.up > 0)
			ck_assert(!lost);
		if (lost != before && lost)
			ck_assert(counts.up < conf.quorum ||
			    (conf.quorum == 0 && counts.up == 0));
	}
}
END_TEST

START_TEST(numbers_at_the_end_of_their_range_do_not_wrap)
{
	const struct pool_mode_conf conf = { .quorum = UINT32_MAX,
		.hysteresis = 3, .backup = true };
	const struct pool_counts some = { UINT32_MAX, UINT32_MAX - 2, 1 },
				 all = { UINT32_MAX, UINT32_MAX, 1 };
	bool lost = true;

	ck_assert_int_eq(pool_mode_next(&lost, &conf, &some), B);
	ck_assert_int_eq(pool_mode_next(&lost, &conf, &all), N);
	ck_assert_int_eq(pool_mode_next(&lost, &conf, &some), N);
}
END_TEST

START_TEST(modes_have_names)
{
	ck_assert_str_eq(pool_mode_name(POOL_NORMAL), "normal");
	ck_assert_str_eq(pool_mode_name(POOL_BACKUP), "backup");
	ck_assert_str_eq(pool_mode_name(POOL_PANIC), "panic");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pool_mode");
	TCase *quorum = tcase_create("quorum"), *rest = tcase_create("rest");

	tcase_add_test(quorum, without_quorum_the_last_backend_decides);
	tcase_add_test(quorum, a_quorum_is_lost_below_and_back_at_its_number);
	tcase_add_test(quorum, hysteresis_keeps_what_is_between_the_thresholds);
	tcase_add_test(quorum,
	    all_up_is_enough_where_the_upper_threshold_is_out_of_reach);
	tcase_add_test(quorum, too_few_backends_for_the_quorum_do_not_flap);
	tcase_add_test(rest, panic_is_only_when_nobody_is_up_here_or_there);
	tcase_add_test(rest,
	    a_family_without_backends_uses_the_backup_but_never_panics);
	tcase_add_test(rest, the_backup_that_dies_and_comes_back_is_followed);
	tcase_add_test(rest, any_step_keeps_its_promises);
	tcase_add_test(rest, numbers_at_the_end_of_their_range_do_not_wrap);
	tcase_add_test(rest, modes_have_names);
	suite_add_tcase(suite, quorum);
	suite_add_tcase(suite, rest);
	return run_suite(suite);
}
