/*
 * test_num.c - numbers, durations and lists of cores.
 */
#include "loaded/num.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "runner.h"
#include "seed.h"

static const struct {
	const char *text;
	uint64_t min, max;
	int error;
	uint64_t value;
} numbers[] = {
	{ "0", 0, 10, 0, 0 },
	{ "10", 0, 10, 0, 10 },
	{ "007", 0, 10, 0, 7 },
	{ "11", 0, 10, -ERANGE, 0 },
	{ "4", 5, 10, -ERANGE, 0 },
	{ "18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX },
	{ "18446744073709551616", 0, UINT64_MAX, -ERANGE, 0 },
	{ "99999999999999999999999", 0, UINT64_MAX, -ERANGE, 0 },
	{ "99999999999999999999999x", 0, UINT64_MAX, -EINVAL, 0 },
	{ "", 0, 10, -EINVAL, 0 },
	{ " 1", 0, 10, -EINVAL, 0 },
	{ "1 ", 0, 10, -EINVAL, 0 },
	{ "+1", 0, 10, -EINVAL, 0 },
	{ "-1", 0, 10, -EINVAL, 0 },
	{ "0x1", 0, 10, -EINVAL, 0 },
	{ "1e1", 0, 10, -EINVAL, 0 },
	{ "1.0", 0, 10, -EINVAL, 0 },
};

START_TEST(number_is_taken_whole_or_not_at_all)
{
	uint64_t value = 77;

	ck_assert_int_eq(num_parse(&value, numbers[_i].text, numbers[_i].min,
			     numbers[_i].max),
	    numbers[_i].error);
	ck_assert_uint_eq(value, numbers[_i].value);
}
END_TEST

START_TEST(random_numbers_come_back)
{
	char text[32];
	uint64_t value, back;

	for (int i = 0; i < 10000; i++) {
		value = ((uint64_t)random() << 33 ^ (uint64_t)random() << 11 ^
			    (uint64_t)random()) >>
		    random() % 64;
		snprintf(text, sizeof(text), "%" PRIu64, value);
		ck_assert_msg(num_parse(&back, text, value, value) == 0, "%s",
		    text);
		ck_assert_uint_eq(back, value);
	}
}
END_TEST

static const struct {
	const char *text;
	int error;
	uint32_t ms;
} durations[] = {
	{ "0s", 0, 0 },
	{ "500ms", 0, 500 },
	{ "60s", 0, 60000 },
	{ "15m", 0, 900000 },
	{ "2h", 0, 7200000 },
	{ "49d", 0, 4233600000 },
	{ "50d", -ERANGE, 0 },
	{ "1177h", -ERANGE, 0 },
	{ "99999999999999999999999s", -ERANGE, 0 },
	{ "60", -EINVAL, 0 },
	{ "s", -EINVAL, 0 },
	{ "", -EINVAL, 0 },
	{ "-1s", -EINVAL, 0 },
	{ "1.5s", -EINVAL, 0 },
	{ "1 s", -EINVAL, 0 },
	{ "1S", -EINVAL, 0 },
	{ "1sec", -EINVAL, 0 },
	{ "1h30m", -EINVAL, 0 },
	{ "99999999999999999999999", -EINVAL, 0 },
};

START_TEST(duration_needs_number_and_unit)
{
	uint32_t ms = 77;

	ck_assert_int_eq(num_parse_duration(&ms, durations[_i].text),
	    durations[_i].error);
	ck_assert_uint_eq(ms, durations[_i].ms);
}
END_TEST

static const struct {
	const char *text;
	int result;
	uint16_t first, last;
} lists[] = {
	{ "0", 1, 0, 0 },
	{ "0-3", 4, 0, 3 },
	{ "5,1-2", 3, 5, 2 },
	{ "3,1,2", 3, 3, 2 },
	{ "1023", 1, 1023, 1023 },
	{ "0-7", 8, 0, 7 },
	{ "0-8", -ERANGE, 0, 0 },
	{ "0-1023", -ERANGE, 0, 0 },
	{ "1024", -EINVAL, 0, 0 },
	{ "0-1024", -EINVAL, 0, 0 },
	{ "3-1", -EINVAL, 0, 0 },
	{ "1,1", -EINVAL, 0, 0 },
	{ "0-3,2", -EINVAL, 0, 0 },
	{ "", -EINVAL, 0, 0 },
	{ ",", -EINVAL, 0, 0 },
	{ "1,", -EINVAL, 0, 0 },
	{ ",1", -EINVAL, 0, 0 },
	{ "1-", -EINVAL, 0, 0 },
	{ "-1", -EINVAL, 0, 0 },
	{ "1--2", -EINVAL, 0, 0 },
	{ "1-2-3", -EINVAL, 0, 0 },
	{ "1, 2", -EINVAL, 0, 0 },
	{ "a", -EINVAL, 0, 0 },
	{ "99999999999999999999999", -EINVAL, 0, 0 },
};

START_TEST(list_keeps_order_and_refuses_repeats)
{
	uint16_t out[8];
	const int n = num_parse_list(out, 8, lists[_i].text);

	ck_assert_int_eq(n, lists[_i].result);
	if (n > 0) {
		ck_assert_uint_eq(out[0], lists[_i].first);
		ck_assert_uint_eq(out[n - 1], lists[_i].last);
	}
}
END_TEST

#define LOOP(tc, table, test)                                                  \
	tcase_add_loop_test(tc, test, 0,                                       \
	    (int)(sizeof(table) / sizeof((table)[0])))

int
main(void)
{
	Suite *suite = suite_create("num");
	TCase *tcase = tcase_create("parsing");

	seed_random("num");
	LOOP(tcase, numbers, number_is_taken_whole_or_not_at_all);
	tcase_add_test(tcase, random_numbers_come_back);
	LOOP(tcase, durations, duration_needs_number_and_unit);
	LOOP(tcase, lists, list_keeps_order_and_refuses_repeats);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
