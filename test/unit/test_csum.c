/*
 * test_csum.c - checksums against the slow oracle of packets.h.
 */
#include <check.h>

#include "loaded/csum.h"
#include "packets.h"
#include "runner.h"
#include "seed.h"

START_TEST(sum_equals_byte_pairs_at_every_length_and_offset)
{
	uint8_t data[80];
	size_t off, len;

	for (len = 0; len < sizeof(data); len++)
		data[len] = (uint8_t)random();
	for (off = 0; off < 9; off++)
		for (len = 0; len + off <= sizeof(data); len++)
			ck_assert_uint_eq(
			    ntohs(csum_fold(csum_add(0, data + off, len))),
			    slow_sum(data + off, len, 0));
}
END_TEST

START_TEST(sum_of_ones_carries_round)
{
	uint8_t data[65536];

	memset(data, 0xff, sizeof(data));
	ck_assert_uint_eq(csum_fold(csum_add(UINT64_MAX, data, sizeof(data))),
	    0xffff);
}
END_TEST

START_TEST(pseudo_header_of_both_families)
{
	struct addr a, b;
	uint8_t v4[12] = { 10, 0, 0, 1, 10, 0, 0, 2, 0, 6, 0x12, 0x34 };
	uint8_t v6[40] = { 0xfd, [15] = 1, [16] = 0xfd, [31] = 2, [33] = 1,
		[34] = 2, [35] = 3, [39] = 17 };

	ck_assert_int_eq(addr_parse(&a, "10.0.0.1"), 0);
	ck_assert_int_eq(addr_parse(&b, "10.0.0.2"), 0);
	ck_assert_uint_eq(ntohs(csum_fold(csum_pseudo(&a, &b, 6, 0x1234))),
	    slow_sum(v4, sizeof(v4), 0));
	ck_assert_int_eq(addr_parse(&a, "fd00::1"), 0);
	ck_assert_int_eq(addr_parse(&b, "fd00::2"), 0);
	ck_assert_uint_eq(ntohs(csum_fold(csum_pseudo(&a, &b, 17, 0x10203))),
	    slow_sum(v6, sizeof(v6), 0));
}
END_TEST

/* Any change of any even bytes: update equals recomputation. */
START_TEST(update_equals_recomputation)
{
	uint8_t data[64], new[16];
	uint16_t check;
	size_t at, len;
	int round;

	for (round = 0; round < 20000; round++) {
		for (at = 0; at < sizeof(data); at++)
			data[at] = random() % 4 ? (uint8_t)random() : 0xff;
		check = (uint16_t)~csum_fold(csum_add(0, data, 64));
		at = (size_t)random() % 24 * 2;
		len = (size_t)random() % 9 * 2;
		for (size_t i = 0; i < len; i++)
			new[i] = random() % 3 ? (uint8_t)random() : 0;
		check = csum_apply(check, csum_delta(0, data + at, new, len));
		memcpy(data + at, new, len);
		ck_assert_uint_eq(check,
		    (uint16_t)~csum_fold(csum_add(0, data, 64)));
	}
}
END_TEST

START_TEST(plain_update_equals_plain_sum)
{
	uint8_t old[4], new[4], rest[8];
	uint64_t before, after;
	int i, round;

	for (round = 0; round < 10000; round++) {
		for (i = 0; i < 4; i++) {
			old[i] = (uint8_t)random();
			new[i] = (uint8_t)random();
		}
		for (i = 0; i < 8; i++)
			rest[i] = (uint8_t)random();
		before = csum_add(csum_add(0, old, 4), rest, 8);
		after = csum_add(csum_add(0, new, 4), rest, 8);
		ck_assert_uint_eq(csum_apply_plain(csum_fold(before),
				      csum_delta(0, old, new, 4)),
		    csum_fold(after));
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("csum");
	TCase *tc = tcase_create("all");

	seed_random("test_csum");
	tcase_add_test(tc, sum_equals_byte_pairs_at_every_length_and_offset);
	tcase_add_test(tc, sum_of_ones_carries_round);
	tcase_add_test(tc, pseudo_header_of_both_families);
	tcase_add_test(tc, update_equals_recomputation);
	tcase_add_test(tc, plain_update_equals_plain_sum);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
