/*
 * test_check.c - what the types of checks are called, and when one is due.
 */
#include "loaded/check.h"

#include <check.h>
#include <stdlib.h>

#include "loaded/prng.h"
#include "runner.h"
#include "seed.h"

static const struct {
	enum check_type type;
	const char *name;
} types[] = {
	{ CHECK_ICMP, "icmp" },
	{ CHECK_TCP, "tcp" },
	{ CHECK_UDP, "udp" },
	{ CHECK_DNS, "dns" },
	{ CHECK_HTTP, "http" },
	{ CHECK_HTTPS, "https" },
	{ CHECK_EXEC, "exec" },
	{ CHECK_AGENT, "agent" },
};

START_TEST(each_type_has_the_name_it_has_in_the_config)
{
	ck_assert_str_eq(check_type_name(types[_i].type), types[_i].name);
}
END_TEST

static const struct check slow_and_fast = {
	.interval_ms = 2000,
	.fast_interval_ms = 500,
};
static const struct check only_slow = {
	.interval_ms = 200,
	.fast_interval_ms = 1000,
};

START_TEST(a_change_is_looked_at_faster_and_never_slower)
{
	ck_assert_uint_eq(check_interval_ms(&slow_and_fast, false), 2000);
	ck_assert_uint_eq(check_interval_ms(&slow_and_fast, true), 500);
	ck_assert_uint_eq(check_interval_ms(&only_slow, false), 200);
	ck_assert_uint_eq(check_interval_ms(&only_slow, true), 200);
}
END_TEST

START_TEST(the_next_is_due_an_interval_after_the_last_began)
{
	ck_assert_uint_eq(check_wait_ms(&slow_and_fast, false, 0), 2000);
	ck_assert_uint_eq(check_wait_ms(&slow_and_fast, false, 1999), 1);
	ck_assert_uint_eq(check_wait_ms(&slow_and_fast, false, 2000), 0);
	ck_assert_uint_eq(check_wait_ms(&slow_and_fast, true, 499), 1);
	ck_assert_uint_eq(check_wait_ms(&slow_and_fast, true, 501), 0);
	ck_assert_uint_eq(check_wait_ms(&slow_and_fast, false, UINT64_MAX), 0);
}
END_TEST

/*
 * Each tenth of the interval gets a tenth of 10,000 backends: within five
 * deviations, which a fair draw leaves once in some 200,000 runs.
 */
START_TEST(first_probes_are_spread_over_an_interval)
{
	enum { BACKENDS = 10000, PARTS = 10, OFF = 150 };
	const bool changing = _i == 1;
	const uint32_t interval = check_interval_ms(&slow_and_fast, changing);
	uint64_t state;
	unsigned int parts[PARTS] = { 0 };

	seed_random("check");
	state = (uint64_t)random() + 1;
	for (int i = 0; i < BACKENDS; i++) {
		const uint32_t wait = check_first_wait_ms(&slow_and_fast,
		    changing, prng_next(&state));

		ck_assert_uint_lt(wait, interval);
		parts[wait * PARTS / interval]++;
	}
	for (int i = 0; i < PARTS; i++) {
		ck_assert_uint_gt(parts[i], BACKENDS / PARTS - OFF);
		ck_assert_uint_lt(parts[i], BACKENDS / PARTS + OFF);
	}
}
END_TEST

int
main(void)
{
	const int count = sizeof(types) / sizeof(types[0]);
	Suite *suite = suite_create("check");
	TCase *tcase = tcase_create("types");

	tcase_add_loop_test(tcase, each_type_has_the_name_it_has_in_the_config,
	    0, count);
	tcase_add_test(tcase, a_change_is_looked_at_faster_and_never_slower);
	tcase_add_test(tcase, the_next_is_due_an_interval_after_the_last_began);
	tcase_add_loop_test(tcase, first_probes_are_spread_over_an_interval, 0,
	    2);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
