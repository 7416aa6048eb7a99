/*
 * siphash.c - SipHash-2-4 and SipHash-1-3 with a 64-bit result.
 *
 * Called by: whoever needs a keyed hash.  Words are read low byte first, so
 * that the result does not depend on the byte order of the host; compilers
 * turn the reading of eight bytes into one load.
 */
#include "loaded/siphash.h"

#define WORD 8

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t
rotate(uint64_t x, unsigned int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline uint64_t
load_word(const uint8_t p[static WORD])
{
	return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 |
	    (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 |
	    (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

static inline void
sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v2 = rotate(s->v2, 32);
}

static inline void
sip_compress(struct sip *s, uint64_t word, unsigned int rounds)
{
	s->v3 ^= word;
	for (unsigned int i = 0; i < rounds; i++)
		sip_round(s);
	s->v0 ^= word;
}

/* The bytes that fill no word, below the length modulo 256. */
static inline uint64_t
last_word(const uint8_t *p, size_t len)
{
	uint64_t word = (uint64_t)len << 56;

	for (size_t i = 0; i < len % WORD; i++)
		word |= (uint64_t)p[i] << (8 * i);
	return word;
}

/* Inlined into each variant, where the numbers of rounds are constants. */
static inline __attribute__((always_inline)) uint64_t
siphash(const uint8_t key[static SIPHASH_KEY_LEN], const uint8_t *p, size_t len,
    unsigned int c_rounds, unsigned int d_rounds)
{
	const uint64_t k0 = load_word(key), k1 = load_word(key + WORD);
	const uint8_t *end = p + (len - len % WORD);
	struct sip s = {
		k0 ^ 0x736f6d6570736575U,
		k1 ^ 0x646f72616e646f6dU,
		k0 ^ 0x6c7967656e657261U,
		k1 ^ 0x7465646279746573U,
	};

	for (; p < end; p += WORD)
		sip_compress(&s, load_word(p), c_rounds);
	sip_compress(&s, last_word(p, len), c_rounds);
	s.v2 ^= 0xff;
	for (unsigned int i = 0; i < d_rounds; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t
siphash24(const uint8_t key[static SIPHASH_KEY_LEN], const void *data,
    size_t len)
{
	return siphash(key, data, len, 2, 4);
}

uint64_t
siphash13(const uint8_t key[static SIPHASH_KEY_LEN], const void *data,
    size_t len)
{
	return siphash(key, data, len, 1, 3);
}
