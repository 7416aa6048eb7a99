/*
 * test_addr.c - addresses and prefixes of both families.
 */
#include "loaded/addr.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner.h"
#include "seed.h"

static struct addr
parse(const char *text)
{
	struct addr a;

	ck_assert_msg(addr_parse(&a, text) == 0, "%s", text);
	return a;
}

static const char *const canonical[] = {
	"0.0.0.0",
	"10.0.0.1",
	"255.255.255.255",
	"203.0.113.80",
	"::",
	"::1",
	"2001:db8::1",
	"fe80::1:2:3:4",
	"fd00:1:2:3:4:5:6:7",
	"ff02::1",
	"::fffe:a00:1",
	"1::",
};

START_TEST(text_survives_parse_and_format)
{
	char text[ADDR_STRLEN];
	const struct addr a = parse(canonical[_i]);

	ck_assert_str_eq(addr_format(&a, text), canonical[_i]);
	ck_assert_int_eq(addr_is_v4(&a), strchr(text, ':') == NULL);
}
END_TEST

static const char *const wrong_addrs[] = {
	"",
	" ",
	"10.0.0",
	"10.0.0.1.1",
	"10.0.0.256",
	"010.0.0.1",
	"10.0.0.1 ",
	" 10.0.0.1",
	"10.0.0.1/24",
	"localhost",
	"0x0a000001",
	"1",
	"fe80::1%lo",
	"::ffff:10.0.0.1",
	"::ffff:a00:1",
	"1::2::3",
	"[::1]",
	":",
	"12345::",
	"1:2:3:4:5:6:7:8:9",
};

START_TEST(anything_else_is_no_address)
{
	struct addr a;

	ck_assert_int_eq(addr_parse(&a, wrong_addrs[_i]), -EINVAL);
}
END_TEST

START_TEST(bytes_are_in_network_order)
{
	const uint8_t v4[4] = { 192, 0, 2, 1 };
	const uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 7 };
	const struct addr a = addr_from_v4(v4), b = addr_from_v6(v6);
	const struct addr pa = parse("192.0.2.1"), pb = parse("2001:db8::7");

	ck_assert(addr_equal(&a, &pa));
	ck_assert(addr_equal(&b, &pb));
	ck_assert(!addr_equal(&a, &b));
}
END_TEST

START_TEST(compare_follows_the_bytes)
{
	const struct addr a = parse("10.0.0.1"), b = parse("10.0.0.2");

	ck_assert_int_lt(addr_compare(&a, &b), 0);
	ck_assert_int_gt(addr_compare(&b, &a), 0);
	ck_assert_int_eq(addr_compare(&a, &a), 0);
}
END_TEST

/* The oracle clears bit by bit. */
START_TEST(mask_clears_all_but_the_first_bits)
{
	struct addr a, want, got;

	for (size_t i = 0; i < sizeof(a.b); i++)
		a.b[i] = (uint8_t)random();
	for (unsigned int bits = 0; bits <= 128; bits++) {
		want = a;
		for (unsigned int bit = bits; bit < 128; bit++)
			want.b[bit / 8] &= (uint8_t) ~(0x80U >> bit % 8);
		got = addr_mask(&a, bits);
		ck_assert_msg(addr_equal(&got, &want), "%u bits", bits);
	}
}
END_TEST

static const struct {
	const char *text, *format;
	unsigned int bits;
} prefixes[] = {
	{ "10.0.0.0/24", "10.0.0.0/24", 120 },
	{ "10.0.0.7", "10.0.0.7/32", 128 },
	{ "0.0.0.0/0", "0.0.0.0/0", 96 },
	{ "fd00::/64", "fd00::/64", 64 },
	{ "::/0", "::/0", 0 },
	{ "2001:db8::1", "2001:db8::1/128", 128 },
};

START_TEST(prefix_survives_parse_and_format)
{
	char text[PREFIX_STRLEN];
	struct prefix p;

	ck_assert_int_eq(prefix_parse(&p, prefixes[_i].text), 0);
	ck_assert_uint_eq(p.bits, prefixes[_i].bits);
	ck_assert_str_eq(prefix_format(&p, text), prefixes[_i].format);
}
END_TEST

static const char *const wrong_prefixes[] = {
	"",
	"/",
	"/8",
	"10.0.0.0/",
	"10.0.0.0/33",
	"10.0.0.0/-1",
	"10.0.0.0/8 ",
	"10.0.0.1/24",
	"10.0.0.0/24/24",
	"fd00::/129",
	"fd00::1/64",
	"x/8",
	"10.0.0.0/255.0.0.0",
	"::ffff:0:0/96",
	"10.0.0.0/+8",
	"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa/64",
};

START_TEST(anything_else_is_no_prefix)
{
	struct prefix p;

	ck_assert_int_eq(prefix_parse(&p, wrong_prefixes[_i]), -EINVAL);
}
END_TEST

static const struct {
	const char *prefix, *addr;
	bool inside;
} members[] = {
	{ "10.0.0.0/24", "10.0.0.255", true },
	{ "10.0.0.0/24", "10.0.1.0", false },
	{ "10.0.0.7", "10.0.0.7", true },
	{ "10.0.0.7", "10.0.0.6", false },
	{ "0.0.0.0/0", "203.0.113.1", true },
	{ "0.0.0.0/0", "2001:db8::1", false },
	{ "::/0", "2001:db8::1", true },
	{ "::/0", "203.0.113.1", false },
	{ "fc00::/7", "fe00::1", false },
	{ "fd00::/8", "fdff::1", true },
};

START_TEST(prefix_holds_its_own_family_only)
{
	const struct addr a = parse(members[_i].addr);
	struct prefix p;

	ck_assert_int_eq(prefix_parse(&p, members[_i].prefix), 0);
	ck_assert_int_eq(prefix_contains(&p, &a), members[_i].inside);
}
END_TEST

#define LOOP(tc, table, test)                                                  \
	tcase_add_loop_test(tc, test, 0,                                       \
	    (int)(sizeof(table) / sizeof((table)[0])))

int
main(void)
{
	Suite *suite = suite_create("addr");
	TCase *addrs = tcase_create("addresses");
	TCase *nets = tcase_create("prefixes");

	seed_random("addr");
	LOOP(addrs, canonical, text_survives_parse_and_format);
	LOOP(addrs, wrong_addrs, anything_else_is_no_address);
	tcase_add_test(addrs, bytes_are_in_network_order);
	tcase_add_test(addrs, compare_follows_the_bytes);
	tcase_add_test(addrs, mask_clears_all_but_the_first_bits);
	LOOP(nets, prefixes, prefix_survives_parse_and_format);
	LOOP(nets, wrong_prefixes, anything_else_is_no_prefix);
	LOOP(nets, members, prefix_holds_its_own_family_only);
	suite_add_tcase(suite, addrs);
	suite_add_tcase(suite, nets);
	return run_suite(suite);
}
