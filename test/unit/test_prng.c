/*
 * test_prng.c - the generator against its formula, and that
 * every bit of it moves.
 */
#include "loaded/prng.h"

#include <check.h>

#include "runner.h"

/* From the published formula, begun with 1. */
START_TEST(it_is_xorshift64_star)
{
	uint64_t state = 1;

	ck_assert_uint_eq(prng_next(&state), UINT64_C(5180492295206395165));
	ck_assert_uint_eq(prng_next(&state), UINT64_C(12380297144915551517));
	ck_assert_uint_eq(prng_next(&state), UINT64_C(13389498078930870103));
}
END_TEST

START_TEST(each_bit_is_set_half_of_the_time)
{
	enum { DRAWS = 10000, OFF = 300 };
	uint64_t state = 20261121;
	int set[64] = { 0 };

	for (int i = 0; i < DRAWS; i++) {
		const uint64_t x = prng_next(&state);

		for (int bit = 0; bit < 64; bit++)
			set[bit] += (x >> bit & 1) != 0;
	}
	for (int bit = 0; bit < 64; bit++) {
		ck_assert_int_gt(set[bit], DRAWS / 2 - OFF);
		ck_assert_int_lt(set[bit], DRAWS / 2 + OFF);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("prng");
	TCase *tcase = tcase_create("prng");

	tcase_add_test(tcase, it_is_xorshift64_star);
	tcase_add_test(tcase, each_bit_is_set_half_of_the_time);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
