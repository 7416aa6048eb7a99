/*
 * test_rate.c - the token bucket: how much at once, how much in time, and what
 * threads may take together.
 */
#include "loaded/rate.h"
#include "runner.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#define SECOND UINT64_C(1000000000)
#define THREADS 4

static const uint32_t rates[] = { 1, 2, 3, 7, 10, 999, 1000, 65536, 1000001 };

static uint32_t
take_all(_Atomic uint64_t *bucket, uint32_t rate, uint64_t now)
{
	uint32_t taken = 0;

	while (rate_take(bucket, rate, now))
		taken++;
	return taken;
}

START_TEST(a_new_bucket_holds_one_second_even_at_time_zero)
{
	const uint32_t rate = rates[_i];
	_Atomic uint64_t early = 0, late = 0;

	ck_assert(rate_ready(&early, rate, 0));
	ck_assert_uint_eq(take_all(&early, rate, 0), rate);
	ck_assert(!rate_ready(&early, rate, 0));
	ck_assert_uint_eq(take_all(&late, rate, UINT64_C(1) << 62), rate);
}
END_TEST

START_TEST(tokens_come_back_at_the_rate_and_never_faster)
{
	const uint32_t rate = rates[_i];
	_Atomic uint64_t bucket = 0;
	const uint64_t start = 5 * SECOND;
	uint64_t taken = 0;

	take_all(&bucket, rate, start);
	for (uint64_t ms = 1; ms <= 10000; ms++)
		taken += take_all(&bucket, rate, start + ms * 1000000);
	ck_assert_uint_le(taken, 10 * (uint64_t)rate);
	ck_assert_uint_ge(taken + 1, (uint64_t)rate * 9989 / 1000);
}
END_TEST

START_TEST(an_idle_bucket_does_not_grow_past_a_second)
{
	_Atomic uint64_t bucket = 0;

	take_all(&bucket, 7, SECOND);
	ck_assert_uint_eq(take_all(&bucket, 7, 1000 * SECOND), 7);
}
END_TEST

START_TEST(ready_takes_nothing_and_agrees_with_take)
{
	_Atomic uint64_t bucket = 0;

	for (uint64_t now = 0; now < 3 * SECOND; now += SECOND / 37) {
		const uint64_t before = bucket;
		const bool ready = rate_ready(&bucket, 5, now);

		ck_assert_uint_eq(bucket, before);
		ck_assert_int_eq(rate_take(&bucket, 5, now), ready);
	}
}
END_TEST

START_TEST(a_new_rate_keeps_the_level)
{
	_Atomic uint64_t bucket = 0;

	for (int i = 0; i < 500; i++)
		ck_assert(rate_take(&bucket, 1000, SECOND));
	ck_assert_uint_eq(take_all(&bucket, 10, SECOND), 5);
	ck_assert_uint_eq(take_all(&bucket, 100000, SECOND), 0);
	ck_assert_uint_eq(take_all(&bucket, 100000, 2 * SECOND), 100000);
}
END_TEST

START_TEST(a_clock_that_lags_gets_no_more)
{
	_Atomic uint64_t bucket = 0;

	ck_assert_uint_eq(take_all(&bucket, 10, 9 * SECOND), 10);
	ck_assert_uint_eq(take_all(&bucket, 10, 8 * SECOND), 0);
	ck_assert_uint_eq(take_all(&bucket, 10, 0), 0);
}
END_TEST

START_TEST(rates_above_one_a_nanosecond_work)
{
	_Atomic uint64_t bucket = 0;

	for (int i = 0; i < 1000; i++)
		ck_assert(rate_take(&bucket, UINT32_MAX, 0));
	ck_assert_uint_eq(bucket, 1000);
}
END_TEST

static void *
take_in_thread(void *arg)
{
	return (void *)(uintptr_t)take_all(arg, 100000, 3 * SECOND);
}

START_TEST(racing_threads_share_one_second)
{
	_Atomic uint64_t bucket = 0;
	pthread_t threads[THREADS];
	uintptr_t sum = 0;

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL,
				     take_in_thread, &bucket),
		    0);
	for (int i = 0; i < THREADS; i++) {
		void *taken;

		pthread_join(threads[i], &taken);
		sum += (uintptr_t)taken;
	}
	ck_assert_uint_eq(sum, 100000);
}
END_TEST

int
main(void)
{
	const int nrates = sizeof(rates) / sizeof(rates[0]);
	Suite *suite = suite_create("rate");
	TCase *depth = tcase_create("depth"), *flow = tcase_create("flow");

	tcase_add_loop_test(depth,
	    a_new_bucket_holds_one_second_even_at_time_zero, 0, nrates);
	tcase_add_test(depth, an_idle_bucket_does_not_grow_past_a_second);
	tcase_add_test(depth, a_new_rate_keeps_the_level);
	tcase_add_test(depth, rates_above_one_a_nanosecond_work);
	tcase_add_loop_test(flow, tokens_come_back_at_the_rate_and_never_faster,
	    0, nrates);
	tcase_add_test(flow, ready_takes_nothing_and_agrees_with_take);
	tcase_add_test(flow, a_clock_that_lags_gets_no_more);
	tcase_add_test(flow, racing_threads_share_one_second);
	tcase_set_timeout(flow, 60);
	suite_add_tcase(suite, depth);
	suite_add_tcase(suite, flow);
	return run_suite(suite);
}
