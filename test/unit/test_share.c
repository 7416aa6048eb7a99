/*
 * test_share.c - the ramp of a backend that came up, and the agent's percent.
 */
#include "loaded/share.h"

#include <check.h>
#include <stdlib.h>

#include "runner.h"
#include "seed.h"

START_TEST(without_a_ramp_the_agent_alone_decides)
{
	ck_assert_uint_eq(share_now(100, 0, 0), SHARE_FULL);
	ck_assert_uint_eq(share_now(50, 0, 0), SHARE_FULL / 2);
	ck_assert_uint_eq(share_now(1000, 0, 0), SHARE_MAX);
	ck_assert_uint_eq(share_now(UINT32_MAX, 0, 0), SHARE_MAX);
}
END_TEST

START_TEST(the_ramp_goes_from_a_sixteenth_to_all)
{
	ck_assert_uint_eq(share_now(100, 0, 10000), 64);
	ck_assert_uint_eq(share_now(100, 5000, 10000), 64 + 480);
	ck_assert_uint_eq(share_now(100, 9999, 10000), 1023);
	ck_assert_uint_eq(share_now(100, 10000, 10000), 1024);
	ck_assert_uint_eq(share_now(100, UINT64_MAX, 10000), 1024);
	ck_assert_uint_eq(share_now(100, UINT32_MAX - 1, UINT32_MAX), 1023);
}
END_TEST

START_TEST(both_are_multiplied)
{
	ck_assert_uint_eq(share_now(50, 5000, 10000), 272);
	ck_assert_uint_eq(share_now(200, 0, 10000), 128);
}
END_TEST

START_TEST(only_zero_percent_is_nothing)
{
	ck_assert_uint_eq(share_now(0, 0, 0), 0);
	ck_assert_uint_eq(share_now(0, 10, 1000), 0);
	ck_assert_uint_eq(share_now(1, 0, UINT32_MAX), 1);
	ck_assert_uint_eq(share_now(1, 0, 0), 10);
}
END_TEST

START_TEST(it_never_falls_with_time_or_percent_and_stays_in_range)
{
	seed_random("share");
	for (int round = 0; round < 20000; round++) {
		const uint32_t percent = (uint32_t)random() % 1100;
		const uint32_t ramp = (uint32_t)random() >> random() % 31;
		const uint64_t at = (uint64_t)random() % (2 * (ramp + 1ULL));
		const uint32_t share = share_now(percent, at, ramp);

		ck_assert_uint_le(share, SHARE_MAX);
		ck_assert_int_eq(share == 0, percent == 0);
		ck_assert_uint_le(share, share_now(percent, at + 1, ramp));
		ck_assert_uint_le(share, share_now(percent + 1, at, ramp));
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("share");
	TCase *tcase = tcase_create("share");

	tcase_add_test(tcase, without_a_ramp_the_agent_alone_decides);
	tcase_add_test(tcase, the_ramp_goes_from_a_sixteenth_to_all);
	tcase_add_test(tcase, both_are_multiplied);
	tcase_add_test(tcase, only_zero_percent_is_nothing);
	tcase_add_test(tcase,
	    it_never_falls_with_time_or_percent_and_stays_in_range);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
