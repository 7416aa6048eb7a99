/*
 * test_siphash.c - SipHash against its published vectors, and against a second
 * implementation that follows the paper word for word, byte by byte.
 */
#include "loaded/siphash.h"

#include <check.h>
#include <stdlib.h>

#include "runner.h"
#include "seed.h"

#define LONGEST 80

/* The reference: v[0..3] and the rounds as in section 2 of the paper. */
static uint64_t
left(uint64_t x, int bits)
{
	return (x << bits) | (x >> (64 - bits));
}

static void
slow_rounds(uint64_t v[4], int n)
{
	static const int turn[2][2] = { { 13, 16 }, { 17, 21 } };

	while (n-- > 0) {
		for (int half = 0; half < 2; half++) {
			const int a = half == 0 ? 0 : 2, c = 2 - a;

			v[a] += v[1];
			v[c] += v[3];
			v[1] = left(v[1], turn[half][0]) ^ v[a];
			v[3] = left(v[3], turn[half][1]) ^ v[c];
			v[a] = left(v[a], 32);
		}
	}
}

static uint64_t
slow_siphash(const uint8_t key[16], const uint8_t *data, size_t len, int c,
    int d)
{
	uint64_t v[4], k[2] = { 0, 0 };

	for (int i = 0; i < 16; i++)
		k[i / 8] += (uint64_t)key[i] << (8 * (i % 8));
	v[0] = k[0] ^ UINT64_C(0x736f6d6570736575);
	v[1] = k[1] ^ UINT64_C(0x646f72616e646f6d);
	v[2] = k[0] ^ UINT64_C(0x6c7967656e657261);
	v[3] = k[1] ^ UINT64_C(0x7465646279746573);
	for (size_t word = 0; word <= len / 8; word++) {
		uint64_t m = 0;

		for (size_t i = 0; i < 8 && 8 * word + i < len; i++)
			m += (uint64_t)data[8 * word + i] << (8 * i);
		if (word == len / 8)
			m += (uint64_t)(len % 256) << 56;
		v[3] ^= m;
		slow_rounds(v, c);
		v[0] ^= m;
	}
	v[2] ^= 0xff;
	slow_rounds(v, d);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* Key 00 01 .. 0f, data 00 01 .. of this length. */
static const struct {
	size_t len;
	uint64_t hash;
} vectors[] = {
	{ 0, UINT64_C(0x726fdb47dd0e0e31) },
	{ 1, UINT64_C(0x74f839c593dc67fd) },
	{ 2, UINT64_C(0x0d6c8009d9a94f5a) },
	{ 3, UINT64_C(0x85676696d7fb7e2d) },
	{ 4, UINT64_C(0xcf2794e0277187b7) },
	{ 5, UINT64_C(0x18765564cd99a68d) },
	{ 7, UINT64_C(0xab0200f58b01d137) },
	{ 8, UINT64_C(0x93f5f5799a932462) },
	{ 9, UINT64_C(0x9e0082df0ba9e4b0) },
	{ 15, UINT64_C(0xa129ca6149be45e5) }, /* the one in the paper */
	{ 16, UINT64_C(0x3f2acc7f57c29bdb) },
	{ 63, UINT64_C(0x958a324ceb064572) },
};

static void
count_up(uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)i;
}

START_TEST(siphash24_gives_the_published_values)
{
	uint8_t key[SIPHASH_KEY_LEN], data[64];

	count_up(key, sizeof(key));
	count_up(data, sizeof(data));
	ck_assert_uint_eq(siphash24(key, data, vectors[_i].len),
	    vectors[_i].hash);
	ck_assert_uint_eq(slow_siphash(key, data, vectors[_i].len, 2, 4),
	    vectors[_i].hash);
}
END_TEST

START_TEST(both_variants_agree_with_the_reference_at_any_alignment)
{
	uint8_t key[SIPHASH_KEY_LEN], data[LONGEST + 8];

	seed_random("siphash");
	for (int run = 0; run < 20000; run++) {
		const size_t len = (size_t)random() % (LONGEST + 1);
		const uint8_t *p = data + (size_t)random() % 8;

		for (size_t i = 0; i < sizeof(key); i++)
			key[i] = (uint8_t)random();
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)random();
		ck_assert_uint_eq(siphash24(key, p, len),
		    slow_siphash(key, p, len, 2, 4));
		ck_assert_uint_eq(siphash13(key, p, len),
		    slow_siphash(key, p, len, 1, 3));
	}
}
END_TEST

START_TEST(length_counts_modulo_256)
{
	static const uint8_t key[SIPHASH_KEY_LEN] = { 1 };
	uint8_t data[600] = { 0 };

	for (size_t len = 250; len < sizeof(data); len++)
		ck_assert_uint_eq(siphash13(key, data, len),
		    slow_siphash(key, data, len, 1, 3));
}
END_TEST

static Suite *
suite(void)
{
	const int n = sizeof(vectors) / sizeof(vectors[0]);
	Suite *s = suite_create("siphash");
	TCase *tc = tcase_create("values");

	tcase_add_loop_test(tc, siphash24_gives_the_published_values, 0, n);
	tcase_add_test(tc,
	    both_variants_agree_with_the_reference_at_any_alignment);
	tcase_add_test(tc, length_counts_modulo_256);
	suite_add_tcase(s, tc);
	return s;
}

int
main(void)
{
	return run_suite(suite());
}
