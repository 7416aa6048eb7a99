/*
 * prng.c - xorshift64* (Vigna, "An experimental exploration of Marsaglia's
 * xorshift generators", 2016).  Called by workers and the failover thread.
 */
#include "loaded/prng.h"

uint64_t
prng_next(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * UINT64_C(2685821657736338717);
}
