/*
 * seed.h - random tests that can be repeated: CK_SEED=N in the environment.
 */
#ifndef TEST_SEED_H
#define TEST_SEED_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline void
seed_random(const char *test)
{
	const char *given = getenv("CK_SEED");
	const unsigned long seed = given != NULL ? strtoul(given, NULL, 0) :
						   (unsigned long)time(NULL);

	printf("%s: CK_SEED=%lu\n", test, seed);
	srandom((unsigned int)seed);
}

#endif
